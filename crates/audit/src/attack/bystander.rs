//! A healthy client that sends requests during the attack and times the replies.
//!
//! It shows whether one client that does not read delays all others. A verdict on memory cannot show that: a server that
//! blocks on its stalled peer is bounded and useless.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoctl_observe::start_thread;

use super::connection::AuditConnection;
use super::connector::Connector;
use super::exchange::{Answer, Unanswered, exchange};
use crate::Error;
use crate::script::{Script, SendMode, Step};

/// How a healthy client was served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BystanderStats {
    /// Number of replies.
    pub replies: u64,
    /// The time within which 99 % of them arrived, in seconds.
    pub p99: f64,
    /// The longest wait in seconds, including that for a reply that never arrived.
    pub longest: f64,
}

impl BystanderStats {
    /// The statistics of some waits; `None` if there were none.
    fn of(mut waits: Vec<Duration>) -> Option<BystanderStats> {
        waits.sort_unstable();
        let longest = waits.last()?.as_secs_f64();
        // The smallest time that 99 % of the replies do not exceed.
        let p99 = waits[(waits.len() * 99).div_ceil(100) - 1].as_secs_f64();
        Some(BystanderStats { replies: waits.len() as u64, p99, longest })
    }

    /// Whether a wait was so long that users would call it an outage. Healthy servers reply within milliseconds, even during this
    /// attack.
    pub fn is_starved(&self) -> bool {
        self.longest > STARVED_SECONDS
    }
}

/// The thread that sends the requests.
#[derive(Debug)]
pub(super) struct Bystander {
    stop: Arc<AtomicBool>,
    pause: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Bystander {
    /// Starts the bystander, if the script has a request for it and the server answers it before the attack.
    ///
    /// # Errors
    /// When another process listens at the address by now, or the audit was interrupted.
    pub(super) fn start(script: &Script, connector: &mut Connector<'_>) -> Result<Option<Bystander>, Error> {
        let Some((request, reply)) = request(script) else { return Ok(None) };
        // It begins as the publisher does: many protocols do not accept requests from a subscriber, as the slow reader is one.
        let setup = script.publisher.as_ref().map_or(&script.setup, |publisher| &publisher.setup);
        match connector.connect_and_converse("bystander", setup) {
            Ok(connection) => Ok(Bystander::ask_on(connection, request, reply)),
            Err(Error::Connect { .. } | Error::Step { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ask_on(mut connection: AuditConnection, request: Vec<u8>, reply: Vec<u8>) -> Option<Bystander> {
        let began = Instant::now();
        ask(&mut connection, &request, &reply, || began.elapsed() >= FIRST_ANSWER_TIMEOUT).ok()?;
        let [stop, pause] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let (stopped, paused) = (stop.clone(), pause.clone());
        // Without a thread (for example if address space is short) the attack continues without a bystander.
        let thread = start_thread("bystander", move || {
            let mut times = Vec::new();
            let is_over = || stopped.load(Ordering::Relaxed);
            while !is_over() {
                if paused.load(Ordering::Relaxed) {
                    thread::sleep(BETWEEN);
                    continue;
                }
                let asked = Instant::now();
                if ask(&mut connection, &request, &reply, is_over).is_err_and(|failed| failed.is_closed) {
                    // There is nothing more to time.
                    break;
                }
                // If the attack is over, the request has been pending for this long.
                times.push(asked.elapsed());
                thread::sleep(BETWEEN);
            }
            times
        });
        Some(Bystander { stop, pause, thread: thread.ok()? })
    }

    /// Pauses or resumes the requests: the garbage that they make in the server would look like growth.
    pub(super) fn pause(&self, pause: bool) {
        self.pause.store(pause, Ordering::Relaxed);
    }

    /// Stops the requests and returns the statistics.
    pub(super) fn finish(self) -> Option<BystanderStats> {
        self.stop.store(true, Ordering::Relaxed);
        BystanderStats::of(self.thread.join().ok()?)
    }
}

/// The request and the reply to expect (empty: any byte).
fn request(script: &Script) -> Option<(Vec<u8>, Vec<u8>)> {
    if let Some(Step { send: Some(send), expect }) = &script.bystander {
        return Some((send.bytes(), expect.as_ref().map(|payload| payload.bytes()).unwrap_or_default()));
    }
    // The stimulus is a usable request if it is answered and its connection is like any other. After a setup, a second client may
    // be the same client to the server, or receive what the slow reader sends.
    match &script.stimulus.send {
        SendMode::Repeat(payload) if script.setup.is_empty() && script.publisher.is_none() => {
            // Without framing, a few bytes are an equivalent request, and no load.
            let mut request = payload.bytes();
            request.truncate(if payload.is_uniform() { UNIFORM } else { usize::MAX });
            Some((request, Vec::new()))
        }
        _ => None,
    }
}

/// Sends a request and waits for its reply until `is_over`.
fn ask(
    connection: &mut AuditConnection,
    request: &[u8],
    reply: &[u8],
    is_over: impl Fn() -> bool,
) -> Result<(), Unanswered> {
    // The rest of earlier replies does not belong to this one.
    connection.discard(&mut [0; 16 << 10]);
    let answer = if reply.is_empty() { Answer::Any } else { Answer::Containing(reply) };
    exchange(connection, request, answer, &mut Vec::new(), is_over)
}

/// Seconds of a wait that users would call an outage.
const STARVED_SECONDS: f64 = 1.0;

/// Time limit for the first reply. A server that does not reply within it has no bystander.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_millis(250);

/// Bytes of a request without framing.
const UNIFORM: usize = 64;

/// Pause between requests: short enough for a 99th percentile after some seconds, long enough to be no load.
const BETWEEN: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Payload, Publisher, Stimulus};

    fn stats(millis: &[u64]) -> Option<BystanderStats> {
        BystanderStats::of(millis.iter().copied().map(Duration::from_millis).collect())
    }

    #[test]
    fn a_wait_of_more_than_a_second_is_starvation() {
        assert!(!stats(&[3, 1000, 2]).unwrap().is_starved());
        assert!(stats(&[3, 1001, 2]).unwrap().is_starved());
        assert_eq!(stats(&[]), None);
    }

    #[test]
    fn the_percentile_leaves_out_one_wait_of_a_hundred() {
        let mut waits = vec![5; 99];
        waits.push(900);

        let of_hundred = stats(&waits).unwrap();
        let of_one = stats(&[7]).unwrap();

        assert_eq!((of_hundred.replies, of_hundred.p99, of_hundred.longest), (100, 0.005, 0.9));
        assert_eq!((of_one.p99, of_one.longest), (0.007, 0.007));
    }

    #[test]
    fn the_request_is_a_short_stimulus_or_that_of_the_script() {
        let repeated = |payload| Script::new(Stimulus::repeat("", payload));
        let uniform = Payload::new(vec![crate::Part::Fill { fill: "x".to_owned(), count: 5000 }]);
        let ping = Step::ask(Payload::text("PING"), Payload::text("PONG"));
        let subscription = Script { publisher: Some(Publisher::default()), ..repeated(Payload::text("PUB")) };

        assert_eq!(request(&repeated(uniform)), Some((vec![b'x'; UNIFORM], Vec::new())));
        assert_eq!(request(&repeated(Payload::text("GET\n"))), Some((b"GET\n".to_vec(), Vec::new())));
        assert_eq!(request(&subscription), None);
        assert_eq!(request(&Script::new(Stimulus::once("", Payload::text("GET")))), None);
        let with_ping = Script { bystander: Some(ping), ..subscription };
        assert_eq!(request(&with_ping), Some((b"PING".to_vec(), b"PONG".to_vec())));
    }
}
