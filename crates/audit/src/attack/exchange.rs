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
pub(super) struct Unanswered {
    /// Bytes that were sent.
    pub(super) sent: usize,
    /// Whether the server closed the connection; otherwise the time was over.
    pub(super) is_closed: bool,
}

/// Sends `send` and waits for `answer` until `is_over`. What follows the answer stays in `received`, where the next one may begin.
///
/// # Errors
/// When the server closes the connection, or the time is over.
pub(super) fn exchange(
    connection: &mut AuditConnection,
    send: &[u8],
    answer: Answer<'_>,
    received: &mut Vec<u8>,
    is_over: impl Fn() -> bool,
) -> Result<(), Unanswered> {
    let mut sent = 0;
    let mut chunk = vec![0; 64 << 10];
    loop {
        sent += connection.write(&send[sent..]);
        if answer != Answer::None {
            let count = connection.read(&mut chunk);
            received.extend_from_slice(&chunk[..count]);
        }
        if let Some(end) = answer.end_in(received)
            && sent == send.len()
        {
            received.drain(..end);
            return Ok(());
        }
        // Of a long answer, only the end can contain the beginning of the expected bytes.
        let excess = received.len().saturating_sub(answer.len().max(SEARCHED));
        received.drain(..excess);
        let is_closed = connection.closed().is_some();
        if is_closed || is_over() {
            return Err(Unanswered { sent, is_closed });
        }
        let interest = Interest { read: answer != Answer::None, write: sent < send.len() };
        sys::wait(&[(connection.socket(), interest)], Duration::from_millis(20));
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
    let mut received = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let send = step.send.as_ref().map(|payload| payload.bytes()).unwrap_or_default();
        let expected = step.expect.as_ref().map(|payload| payload.bytes()).unwrap_or_default();
        let answer = if expected.is_empty() { Answer::None } else { Answer::Containing(&expected) };
        let began = Instant::now();
        let is_over = || Instant::now() >= deadline || stop.load(Ordering::Relaxed);
        let Err(Unanswered { sent, is_closed }) = exchange(connection, &send, answer, &mut received, is_over)
        else {
            continue;
        };
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let (length, waited) = (send.len(), began.elapsed());
        let (wanted, received) = (shown(&expected), shown(&received));
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
