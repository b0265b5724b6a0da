//! What a connection waits for, and how long it has.

use std::fmt;

use super::age::Age;
use super::{ConnectionCause, Roles};

/// The cause of a connection with its age. Printed as `client does not read (42 s)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Diagnosis {
    /// What it waits for.
    pub cause: ConnectionCause,
    /// How long it has, at least; `None` if that is not known. Of a peer that is gone: since its last answer.
    pub seconds: Option<f64>,
    /// The roles of the two sides, for the words.
    pub roles: Roles,
}

impl Diagnosis {
    /// Whether the connection needs attention: it waits, and has for longer than a busy server's connections do.
    pub fn is_culprit(&self) -> bool {
        match self.cause {
            ConnectionCause::Flows | ConnectionCause::Idle => false,
            ConnectionCause::ClosedByClient | ConnectionCause::InAcceptQueue => {
                self.seconds.is_none_or(|seconds| seconds >= USUAL_SECONDS)
            }
            // The rule gives these causes only to connections that have waited.
            _ => true,
        }
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cause, words) = (self.cause, self.cause.words(self.roles));
        let Some(age) = self.seconds.map(Age) else {
            return match cause {
                ConnectionCause::ClosedByClient => write!(f, "{words} (CLOSE-WAIT)"),
                _ => f.write_str(words),
            };
        };
        match cause {
            ConnectionCause::PeerGone => write!(f, "{words}: retransmitting, last answer {age} ago"),
            ConnectionCause::ClosedByClient => write!(f, "{words} (CLOSE-WAIT, {age})"),
            _ => write!(f, "{words} ({age})"),
        }
    }
}

/// Seconds for which a connection may wait for accept, or to be closed, on a busy server in order.
const USUAL_SECONDS: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnosis_prints_its_age() {
        let text = |cause, seconds| Diagnosis { cause, seconds, ..Diagnosis::default() }.to_string();

        assert_eq!(text(ConnectionCause::ClientDoesNotRead, Some(42.3)), "client does not read (42 s)");
        assert_eq!(
            text(ConnectionCause::PeerGone, Some(9.0)),
            "peer gone: retransmitting, last answer 9 s ago"
        );
        assert_eq!(
            text(ConnectionCause::ClosedByClient, Some(12.0)),
            "closed by the client, not by the server (CLOSE-WAIT, 12 s)"
        );
        assert_eq!(text(ConnectionCause::ServerDoesNotRead, None), "server does not read");
    }

    #[test]
    fn the_watched_process_is_no_server_of_what_it_opened() {
        let text = |cause| Diagnosis { cause, seconds: Some(3.0), roles: Roles::Opened }.to_string();

        assert_eq!(text(ConnectionCause::ClientDoesNotRead), "peer does not read (3 s)");
        assert_eq!(text(ConnectionCause::ServerDoesNotRead), "process does not read (3 s)");
        assert_eq!(
            text(ConnectionCause::ClosedByClient),
            "closed by the peer, not by the process (CLOSE-WAIT, 3 s)"
        );
        for cause in ConnectionCause::ALL {
            let words = cause.words(Roles::Opened);
            assert!(!words.contains("server") && !words.contains("client"), "{words}");
        }
    }

    #[test]
    fn a_moment_in_the_accept_queue_is_no_culprit() {
        let is_culprit = |seconds| {
            Diagnosis { cause: ConnectionCause::InAcceptQueue, seconds, ..Diagnosis::default() }.is_culprit()
        };

        assert!(!is_culprit(Some(0.3)));
        assert!(is_culprit(Some(1.5)) && is_culprit(None));
    }
}
