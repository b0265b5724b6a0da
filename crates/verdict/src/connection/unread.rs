//! A client that leaves what has arrived unread, where its end is visible.
//!
//! [`diagnose`](super::diagnose) calls a client that does not read by what it holds back: an engineer looks for what makes a server
//! wait. In a class it is the client that is looked at, and a few unread bytes are the beginning of the same thing.

use echoctl_record::{ConnectionCause, ConnectionFigures, Diagnosis};

use super::diagnose;
use super::stream::STALL_SECONDS;

/// What the connection waits for; a client that is seen to leave unread what has arrived counts as one that does not read, also while
/// that holds nothing back, or its window opens a little because its kernel makes room.
pub fn diagnose_reader(figures: &ConnectionFigures) -> Diagnosis {
    let diagnosis = diagnose(figures);
    let patience = match diagnosis.cause {
        ConnectionCause::Flows | ConnectionCause::Idle => STALL_SECONDS,
        ConnectionCause::ClientReadsSlowly => SLOW_SECONDS,
        _ => return diagnosis,
    };
    let has_unread = figures.client_receive.is_some_and(|bytes| bytes > 0);
    match figures.since_client_read.filter(|seconds| has_unread && *seconds >= patience) {
        Some(seconds) => {
            Diagnosis { cause: ConnectionCause::ClientDoesNotRead, seconds: Some(seconds), ..diagnosis }
        }
        None => diagnosis,
    }
}

/// Seconds without a read after which a reader that keeps the server waiting is not called slow any more.
const SLOW_SECONDS: f64 = 1.0;
