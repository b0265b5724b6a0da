//! A healthy client: it connects, asks, waits for the reply, and reads whatever comes.
//!
//! It never blocks, so one thread drives any number of them.

use std::time::{Duration, Instant};

use socket2::Socket;

use super::question::Question;
use crate::Error;
use crate::attack::connection::{AuditConnection, Role};
use crate::attack::connector::Connector;
use crate::attack::exchange::{Answer, Exchange};
use crate::sys::Interest;

/// A client that reads, with at most one question that waits for its reply.
#[derive(Debug, Default)]
pub(super) struct HealthyClient {
    attempt: Option<Attempt>,
    /// Since when the question waits for its reply.
    asked: Option<Instant>,
    /// When to connect again.
    retry_at: Option<Instant>,
    /// Why the last connection ended without a reply.
    failure: Option<Failure>,
    /// What came in total, if it is recorded.
    heard: Option<Heard>,
}

/// Why a connection ended without a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was not made.
    Refused,
    /// The server closed it.
    Closed,
    /// The server refused to serve the client.
    Unserved,
}

/// What a client received.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The first [`MOST_HEARD`] bytes.
    pub(super) start: Vec<u8>,
    /// All bytes.
    pub(super) total: u64,
    /// Those of them that came before the first question.
    pub(super) unasked: u64,
}

/// What the client's polls need.
pub(super) struct Asking<'a, 'c> {
    pub(super) question: &'a Question,
    pub(super) connector: &'a mut Connector<'c>,
    pub(super) buffer: &'a mut [u8],
    pub(super) now: Instant,
}

/// One connection of a client.
#[derive(Debug)]
struct Attempt {
    connection: AuditConnection,
    stage: Stage,
    exchange: Exchange,
    /// Since when nothing has come.
    quiet_since: Instant,
    /// When the last reply came.
    answered_at: Option<Instant>,
    /// Whether it was a refusal.
    is_refused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    /// The layers of the connection begin.
    ShakingHands,
    /// The step before the first question that is going on.
    Setup(usize),
    /// Nothing is asked.
    Ready,
    Asking,
}

impl HealthyClient {
    /// A client that records what it hears, beginning with a greeting before its first question.
    pub(super) fn listening() -> HealthyClient {
        HealthyClient { heard: Some(Heard::default()), ..HealthyClient::default() }
    }

    /// What it heard, which is no longer recorded.
    pub(super) fn take_heard(&mut self) -> Heard {
        self.heard.take().unwrap_or_default()
    }

    /// Asks at the next opportunity, unless an earlier question still waits for its reply.
    pub(super) fn ask(&mut self, now: Instant) {
        self.asked.get_or_insert(now);
    }

    /// Since when a question has been waiting for its reply.
    pub(super) fn asked(&self) -> Option<Instant> {
        self.asked
    }

    /// How long a question has been waiting for its reply.
    pub(super) fn waits_for(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.asked?))
    }

    /// Why the last connection ended without a reply, if it did.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Whether something came before its first question.
    pub(super) fn was_greeted(&self) -> bool {
        self.heard.as_ref().is_some_and(|heard| heard.unasked > 0)
    }

    /// Bytes that came on its connection.
    pub(super) fn received(&self) -> u64 {
        self.attempt.as_ref().map_or(0, |attempt| attempt.connection.received())
    }

    /// How long more has come since its last reply began.
    pub(super) fn flowed_for(&self) -> Duration {
        let flowed =
            |attempt: &Attempt| Some(attempt.quiet_since.saturating_duration_since(attempt.answered_at?));
        self.attempt.as_ref().and_then(flowed).unwrap_or_default()
    }

    /// Whether the server has closed its connection after a reply.
    pub(super) fn is_left_answered(&self) -> bool {
        self.asked.is_none() && self.attempt.is_none()
    }

    /// Ends its connection, and returns it if it was made.
    pub(super) fn disconnect(&mut self) -> Option<AuditConnection> {
        let attempt = self.attempt.take()?;
        let is_made = !matches!(attempt.stage, Stage::Connecting | Stage::ShakingHands);
        is_made.then_some(attempt.connection)
    }

    /// Goes on as far as possible without waiting. Returns the duration of the wait when a reply comes.
    ///
    /// # Errors
    /// When another process listens at the address by now, or the audit is interrupted.
    pub(super) fn poll(&mut self, asking: &mut Asking<'_, '_>) -> Result<Option<Duration>, Error> {
        if self.asked.is_none() {
            if let Some(attempt) = &mut self.attempt {
                attempt.listen(&mut self.heard, asking);
                self.attempt.take_if(|attempt| attempt.connection.closed().is_some());
            }
            return Ok(None);
        }
        match self.go_on(asking) {
            Ok(true) => {
                let wait = self.waits_for(asking.now);
                (self.asked, self.failure) = (None, None);
                if let Some(attempt) = &mut self.attempt {
                    attempt.answered_at = Some(asking.now);
                }
                return Ok(wait);
            }
            Ok(false)
                if self.attempt.as_ref().is_some_and(|attempt| attempt.connection.closed().is_some()) =>
            {
                self.retry(Failure::Closed, asking.now);
            }
            Ok(false) => {}
            Err(Error::Connect { .. }) => self.retry(Failure::Refused, asking.now),
            Err(Error::Tls(_) | Error::Http2(_)) => self.retry(Failure::Closed, asking.now),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// What to wait for.
    pub(super) fn interest(&self, question: &Question) -> Option<(&Socket, Interest)> {
        let attempt = self.attempt.as_ref()?;
        let write = match attempt.stage {
            Stage::Connecting => true,
            Stage::ShakingHands => false,
            Stage::Setup(index) => attempt.exchange.has_more_of(question.step(index).0),
            Stage::Ready => false,
            Stage::Asking => attempt.exchange.has_more_of(question.send()),
        };
        Some(attempt.connection.waited(Interest { read: attempt.stage != Stage::Connecting, write }))
    }

    /// Connects, carries out the steps of the connection and asks. Returns whether the reply has come.
    fn go_on(&mut self, asking: &mut Asking<'_, '_>) -> Result<bool, Error> {
        let now = asking.now;
        let attempt = match &mut self.attempt {
            Some(attempt) => attempt,
            None if self.retry_at.is_some_and(|at| now < at) => return Ok(false),
            None => self.attempt.insert(Attempt::begin(asking)?),
        };
        if attempt.stage == Stage::Connecting {
            if !attempt.connection.is_connected()? {
                return Ok(false);
            }
            asking.connector.check_made(&attempt.connection)?;
            attempt.stage = Stage::ShakingHands;
        }
        if attempt.stage == Stage::ShakingHands {
            if !attempt.connection.shake_hands()? {
                return Ok(false);
            }
            (attempt.stage, attempt.quiet_since) = (Stage::Setup(0), now);
        }
        while let Stage::Setup(index) = attempt.stage {
            if index == asking.question.setup_steps() {
                attempt.stage = Stage::Ready;
            } else if attempt.converse(index, &mut self.heard, asking) {
                attempt.stage = Stage::Setup(index + 1);
            } else {
                return Ok(false);
            }
        }
        if attempt.stage == Stage::Ready {
            // The rest of earlier replies does not belong to the next one.
            let is_first = attempt.connection.sent() == 0;
            let is_fresh = attempt.connection.received() == 0 && self.heard.is_none();
            if !(is_fresh || asking.question.speaks_first()) {
                attempt.listen(&mut self.heard, asking);
                let is_patient = self.asked.is_some_and(|asked| now < asked + SETTLING);
                if attempt.connection.closed().is_some() || (is_patient && !attempt.is_quiet(now)) {
                    return Ok(false);
                }
                self.asked = Some(now);
            }
            if let Some(heard) = self.heard.as_mut().filter(|_| is_first) {
                heard.unasked = heard.total;
            }
            attempt.exchange.forget();
            attempt.stage = Stage::Asking;
        }
        let is_answered = attempt.converse(asking.question.setup_steps(), &mut self.heard, asking);
        if is_answered && attempt.is_refused {
            self.retry(Failure::Unserved, now);
            return Ok(false);
        }
        if is_answered {
            attempt.stage = Stage::Ready;
        }
        Ok(is_answered)
    }

    /// Connects again, soon.
    fn retry(&mut self, failure: Failure, now: Instant) {
        self.attempt = None;
        self.failure = Some(failure);
        self.retry_at = Some(now + RETRY);
    }
}

impl Attempt {
    fn begin(asking: &mut Asking<'_, '_>) -> Result<Attempt, Error> {
        let connection = asking.connector.begin(Role::Bystander, None)?;
        let exchange = Exchange::default();
        Ok(Attempt {
            connection,
            stage: Stage::Connecting,
            exchange,
            quiet_since: asking.now,
            answered_at: None,
            is_refused: false,
        })
    }

    fn is_quiet(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.quiet_since) >= QUIET
    }

    /// Reads once. Returns the number of bytes.
    fn read(&mut self, heard: &mut Option<Heard>, asking: &mut Asking<'_, '_>) -> usize {
        let count = self.connection.read(asking.buffer);
        if count > 0 {
            self.quiet_since = asking.now;
            if let Some(heard) = heard {
                heard.note(&asking.buffer[..count]);
            }
        }
        count
    }

    /// Reads and discards what has come, as far as it does not take long.
    fn listen(&mut self, heard: &mut Option<Heard>, asking: &mut Asking<'_, '_>) {
        for _ in 0..MOST_READS {
            if matches!(self.stage, Stage::Connecting | Stage::ShakingHands) || self.read(heard, asking) == 0
            {
                break;
            }
        }
    }

    /// Goes on with a step. Returns whether it is done.
    fn converse(&mut self, step: usize, heard: &mut Option<Heard>, asking: &mut Asking<'_, '_>) -> bool {
        let (send, answer) = asking.question.step(step);
        self.exchange.write(&mut self.connection, send);
        let count = self.read(heard, asking);
        self.exchange.note(&asking.buffer[..count]);
        let is_any_reply = step == asking.question.setup_steps() && answer == Answer::Any;
        if let Some(protocol) = asking.question.granted.filter(|_| is_any_reply) {
            let Some(is_refusal) = protocol.is_refusal(self.exchange.received()) else { return false };
            self.is_refused = is_refusal;
        }
        // A response may have no body.
        let is_complete = answer == Answer::Any && self.connection.has_complete_response();
        self.exchange.is_answered(send, answer) || is_complete
    }
}

impl Heard {
    fn note(&mut self, bytes: &[u8]) {
        let free = MOST_HEARD.saturating_sub(self.start.len());
        self.start.extend_from_slice(&bytes[..bytes.len().min(free)]);
        self.total += bytes.len() as u64;
    }
}

/// Time without a byte after which a reply is complete: longer than most pauses within one, and short enough for many questions
/// during an attack.
const QUIET: Duration = Duration::from_millis(40);

/// The longest wait for that: some servers never stop sending.
const SETTLING: Duration = Duration::from_millis(500);

/// Pause before a client connects again.
const RETRY: Duration = Duration::from_millis(50);

/// Reads at a time, so that a server that never stops sending does not occupy the thread.
const MOST_READS: usize = 16;

/// Bytes of the replies that are recorded.
const MOST_HEARD: usize = 256 << 10;
