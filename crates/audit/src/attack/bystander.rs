//! The bystander: a healthy client beside the attack, which asks and reads its answers, and times them.
//!
//! It tells whether one client that does not read makes all others wait, which a verdict on memory does not say: a server
//! that blocks on its stalled peer is bounded, and useless.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoctl_observe::start_thread;
use serde::{Deserialize, Serialize};

use super::connection::{AuditConnection, find};
use super::connector::Connector;
use crate::Error;
use crate::script::{Script, SendMode, Step};
use crate::sys::{self, Interest};

/// How a healthy client fared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BystanderStats {
    /// Answers that came.
    pub answers: u64,
    /// The time within which 99 of 100 came, in seconds.
    pub p99: f64,
    /// The longest wait, in seconds, that of a question without an answer included.
    pub longest: f64,
    /// Whether it was kept waiting for longer than a second.
    pub is_starved: bool,
}

/// The thread that asks.
#[derive(Debug)]
pub(super) struct Bystander {
    stop: Arc<AtomicBool>,
    hold: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Bystander {
    /// Starts to ask, if the script has a question and the server answers it now, before the attack.
    ///
    /// # Errors
    /// When somebody else listens at the address by now, or the audit is to stop.
    pub(super) fn start(script: &Script, connector: &mut Connector<'_>) -> Result<Option<Bystander>, Error> {
        let Some((question, answer)) = question(script) else { return Ok(None) };
        // It greets as those do who ask: a subscriber, which the slow reader is where there is a publisher, often may not.
        let setup = script.publisher.as_ref().map_or(&script.setup, |publisher| &publisher.setup);
        let connection = connector.connect().and_then(|mut connection| {
            connector.converse(&mut connection, "bystander", setup)?;
            Ok(connection)
        });
        match connection {
            Ok(connection) => Ok(Bystander::ask_on(connection, question, answer)),
            Err(Error::Connect { .. } | Error::Step { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ask_on(mut connection: AuditConnection, question: Vec<u8>, answer: Vec<u8>) -> Option<Bystander> {
        let stop = Arc::new(AtomicBool::new(false));
        ask(&mut connection, &question, &answer, FIRST_ANSWER_TIMEOUT, &stop).ok()?;
        let (told, hold) = (stop.clone(), Arc::new(AtomicBool::new(false)));
        let held = hold.clone();
        // Where no thread can be had, as in little address space, the attack goes on without a bystander.
        let thread = start_thread("bystander", move || {
            let mut times = Vec::new();
            while !told.load(Ordering::Relaxed) {
                if held.load(Ordering::Relaxed) {
                    thread::sleep(BETWEEN);
                    continue;
                }
                let asked = Instant::now();
                match ask(&mut connection, &question, &answer, Duration::MAX, &told) {
                    // Hung up on, not kept waiting: there is nothing more to time.
                    Err(Unanswered::Ended) => break,
                    // The attack is over: the question still waits, for so long already.
                    Err(Unanswered::Late) | Ok(()) => times.push(asked.elapsed()),
                }
                thread::sleep(BETWEEN);
            }
            times
        });
        Some(Bystander { stop, hold, thread: thread.ok()? })
    }

    /// Asks no more for a while, or again: what it asks makes garbage in the server, which is not to be taken for growth.
    pub(super) fn hold(&self, hold: bool) {
        self.hold.store(hold, Ordering::Relaxed);
    }

    /// Stops asking; says how it went.
    pub(super) fn finish(self) -> Option<BystanderStats> {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = self.thread.join().ok()?;
        times.sort_unstable();
        let longest = times.last()?.as_secs_f64();
        // The smallest time that 99 of 100 answers do not exceed.
        let p99 = times[(times.len() * 99).div_ceil(100) - 1].as_secs_f64();
        let is_starved = longest > STARVED.as_secs_f64();
        Some(BystanderStats { answers: times.len() as u64, p99, longest, is_starved })
    }
}

/// Why a question has no answer.
enum Unanswered {
    /// The server hung up.
    Ended,
    /// It takes too long, or the attack is over.
    Late,
}

/// What is asked, and the answer awaited (empty: any byte).
fn question(script: &Script) -> Option<(Vec<u8>, Vec<u8>)> {
    if let Some(Step { send: Some(send), expect }) = &script.bystander {
        return Some((send.bytes(), expect.as_ref().map(|payload| payload.bytes()).unwrap_or_default()));
    }
    // A stimulus is a fair question where each is answered and nothing about the connection is special: a second client
    // with the same setup may be the same client to the server, or hear all that the slow reader says.
    match &script.stimulus.send {
        SendMode::Repeat(payload) if script.setup.is_empty() && script.publisher.is_none() => {
            // Of bytes without any framing a few are as good a question, and no load.
            let mut question = payload.bytes();
            question.truncate(if payload.is_uniform() { UNIFORM } else { usize::MAX });
            Some((question, Vec::new()))
        }
        _ => None,
    }
}

fn ask(
    connection: &mut AuditConnection,
    question: &[u8],
    answer: &[u8],
    timeout: Duration,
    stop: &AtomicBool,
) -> Result<(), Unanswered> {
    let started = Instant::now();
    let mut chunk = vec![0; 64 << 10];
    // What is left of earlier answers is not this one's.
    connection.discard(&mut chunk);
    let (mut sent, mut heard) = (0, Vec::new());
    loop {
        sent += connection.write(&question[sent..]);
        let count = connection.read(&mut chunk);
        heard.extend_from_slice(&chunk[..count]);
        let is_answered = if answer.is_empty() { !heard.is_empty() } else { find(&heard, answer).is_some() };
        if is_answered && sent == question.len() {
            return Ok(());
        }
        let excess = heard.len().saturating_sub(answer.len() + chunk.len());
        heard.drain(..excess);
        if connection.ended.is_some() {
            return Err(Unanswered::Ended);
        }
        if started.elapsed() >= timeout || stop.load(Ordering::Relaxed) {
            return Err(Unanswered::Late);
        }
        let interest = Interest { read: true, write: sent < question.len() };
        sys::wait(&[(connection.socket(), interest)], Duration::from_millis(20));
    }
}

/// A wait that a person calls broken; healthy servers answer in milliseconds, also under this attack.
const STARVED: Duration = Duration::from_secs(1);

/// Time for the first answer. A server that does not answer this question is not timed.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_millis(250);

/// Bytes of a question that has no framing.
const UNIFORM: usize = 64;

/// Between two questions: often enough for a 99th percentile in some seconds, rarely enough to be no load.
const BETWEEN: Duration = Duration::from_millis(40);
