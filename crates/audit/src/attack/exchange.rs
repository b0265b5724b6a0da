//! Exchanges: bytes that are sent, and the answer that is waited for, reading while writing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::connection::AuditConnection;
use crate::script::Step;
use crate::sys::{self, Interest};
use crate::{Error, StepFailure};

/// The answer to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    /// None: it is over when everything is sent.
    None,
    /// Any byte.
    Any,
    /// These bytes, anywhere.
    Containing(&'a [u8]),
}

/// How far an exchange came that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unanswered {
    /// Bytes that were sent.
    sent: usize,
    /// Whether the server closed the connection; otherwise the time was over.
    is_closed: bool,
}

/// An exchange that is going on. It waits for nothing, and reads neither a socket nor a clock.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// Bytes that were sent.
    sent: usize,
    /// What came and does not belong to an earlier answer.
    received: Vec<u8>,
}

impl Exchange {
    /// Writes what the kernel accepts of `send`.
    pub(super) fn write(&mut self, connection: &mut AuditConnection, send: &[u8]) {
        self.sent += connection.write(&send[self.sent..]);
    }

    /// Notes bytes that came.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Whether everything was sent and the answer has come. If so, the next exchange can begin, and what follows the answer may
    /// belong to it.
    pub(super) fn is_answered(&mut self, send: &[u8], answer: Answer<'_>) -> bool {
        if let Some(end) = answer.end_in(&self.received)
            && self.sent == send.len()
        {
            self.received.drain(..end);
            self.sent = 0;
            return true;
        }
        // Of a long answer, only the end can contain the beginning of the expected bytes.
        let excess = self.received.len().saturating_sub(answer.len().max(SEARCHED));
        self.received.drain(..excess);
        false
    }

    /// Whether some of `send` is still to be sent.
    pub(super) fn has_more_of(&self, send: &[u8]) -> bool {
        self.sent < send.len()
    }

    /// What came and does not belong to an earlier answer.
    pub(super) fn received(&self) -> &[u8] {
        &self.received
    }

    /// Forgets what came so far.
    pub(super) fn forget(&mut self) {
        self.received.clear();
    }
}

/// Sends `send` and waits for `answer` until `is_over`. What follows the answer stays in `exchange`, for the next one.
///
/// # Errors
/// When the server closes the connection, or the time is over.
fn wait_for_answer(
    connection: &mut AuditConnection,
    exchange: &mut Exchange,
    send: &[u8],
    answer: Answer<'_>,
    is_over: impl Fn() -> bool,
) -> Result<(), Unanswered> {
    let mut chunk = vec![0; 64 << 10];
    loop {
        exchange.write(connection, send);
        if answer != Answer::None {
            let count = connection.read(&mut chunk);
            exchange.note(&chunk[..count]);
        }
        if exchange.is_answered(send, answer) {
            return Ok(());
        }
        let is_closed = connection.closed().is_some();
        if is_closed || is_over() {
            return Err(Unanswered { sent: exchange.sent, is_closed });
        }
        let interest = Interest { read: answer != Answer::None, write: exchange.has_more_of(send) };
        sys::wait(&[connection.waited(interest)], Duration::from_millis(20));
    }
}

/// Carries out the steps of a script.
///
/// # Errors
/// [`Error::Step`] when the server closes the connection, or does not answer before `deadline`; [`Error::Interrupted`] when
/// `stop` is set.
pub(super) fn converse(
    connection: &mut AuditConnection,
    name: &str,
    steps: &[Step],
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let mut exchange = Exchange::default();
    for (index, step) in steps.iter().enumerate() {
        let send = step.send.as_ref().map(|payload| payload.bytes()).unwrap_or_default();
        let expected = step.expect.as_ref().map(|payload| payload.bytes()).unwrap_or_default();
        let answer = if expected.is_empty() { Answer::None } else { Answer::Containing(&expected) };
        let began = Instant::now();
        let is_over = || Instant::now() >= deadline || stop.load(Ordering::Relaxed);
        let done = wait_for_answer(connection, &mut exchange, &send, answer, is_over);
        let Err(Unanswered { sent, is_closed }) = done else { continue };
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let (length, waited) = (send.len(), began.elapsed());
        let (wanted, received) = (shown(&expected), shown(&exchange.received));
        let failure = match (is_closed, answer) {
            (true, Answer::None) => StepFailure::ClosedWhileSending { sent, length },
            (true, _) => StepFailure::Closed { expected: wanted, received },
            (false, Answer::None) => StepFailure::NotSent { sent, length, waited },
            (false, _) => StepFailure::NoAnswer { expected: wanted, received, waited },
        };
        return Err(Error::Step { step: format!("{name}, step {}", index + 1), failure });
    }
    connection.end_setup();
    Ok(())
}

impl Answer<'_> {
    fn len(self) -> usize {
        if let Answer::Containing(bytes) = self { bytes.len() } else { 0 }
    }

    /// Where the answer ends in what was received, if it is there.
    fn end_in(self, received: &[u8]) -> Option<usize> {
        match self {
            Answer::None => Some(0),
            Answer::Any => Some(received.len()).filter(|length| *length > 0),
            // In linear time for any input: both come from outside.
            Answer::Containing(bytes) => Some(memchr::memmem::find(received, bytes)? + bytes.len()),
        }
    }
}

/// Bytes as text for an error, at most [`SHOWN`] of them.
fn shown(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    let start = &bytes[..bytes.len().min(SHOWN)];
    let more = if bytes.len() > SHOWN { " …" } else { "" };
    format!("\"{}\"{more}", start.escape_ascii())
}

/// Bytes of an answer that are searched for the expected bytes.
const SEARCHED: usize = 1 << 20;

/// Bytes shown in an error.
const SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_behind_the_expected_bytes() {
        assert_eq!(Answer::Containing(b"OK").end_in(b"+OK\r\n"), Some(3));
        assert_eq!(Answer::Containing(b"OK").end_in(b"+O"), None);
        assert_eq!((Answer::Any.end_in(b"xy"), Answer::Any.end_in(b"")), (Some(2), None));
        assert_eq!(Answer::None.end_in(b"xy"), Some(0));
    }

    #[test]
    fn long_answers_are_shortened_in_errors() {
        assert_eq!(shown(b""), "nothing");
        assert_eq!(shown(b"-ERR\r\n"), "\"-ERR\\r\\n\"");
        assert!(shown(&[b'x'; 1000]).ends_with("x\" …"));
    }
}
