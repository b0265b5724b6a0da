//! What the figures of a connection show: the conditions of the decision table.

use echoctl_record::{ConnectionCause, ConnectionFigures, SocketTimer};

use super::stream::Stream;

/// The signals of one connection. Times in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signals {
    pub(super) to_client: Stream,
    pub(super) to_server: Stream,
    timer: Option<SocketTimer>,
    unanswered: u32,
    since_client_answered: Option<f64>,
    since_sent: Option<f64>,
    seen_for: f64,
    in_phase_for: f64,
}

impl Signals {
    pub(super) fn of(figures: &ConnectionFigures) -> Signals {
        Signals {
            to_client: Stream::to_client(figures),
            to_server: Stream::to_server(figures),
            timer: figures.timer,
            unanswered: figures.unanswered,
            since_client_answered: figures.since_client_answered,
            since_sent: figures.since_sent,
            seen_for: figures.seen_for,
            in_phase_for: figures.in_phase_for,
        }
    }

    /// Whether nothing answers the server's kernel any more. A network that loses a packet now and then does not lose several in a
    /// row.
    pub(super) fn is_gone(&self) -> bool {
        let limit = if self.timer == Some(SocketTimer::KeepAlive) { LOST_KEEP_ALIVES } else { LOST_SEGMENTS };
        self.unanswered >= limit && !self.has_answered()
    }

    /// Whether each side waits for the other to read.
    pub(super) fn both_wait(&self) -> bool {
        self.to_client.is_stalled() && self.to_server.is_stalled() && self.to_server.is_held_back()
    }

    /// Whether the client, which has closed its own direction, is not getting anything either.
    pub(super) fn is_abandoned(&self) -> bool {
        self.to_client.is_empty() && !self.to_client.has_just_moved()
    }

    /// Whether bytes are on their way, or were a moment ago.
    pub(super) fn is_moving(&self) -> bool {
        !self.to_client.is_empty()
            || !self.to_server.is_empty()
            || self.to_client.has_just_moved()
            || self.to_server.has_just_moved()
    }

    /// How long the connection has had this cause, at least.
    pub(super) fn age(&self, cause: ConnectionCause) -> Option<f64> {
        let (client, server) = (self.to_client, self.to_server);
        match cause {
            ConnectionCause::ClientDoesNotRead => client.waited(),
            ConnectionCause::ClosedByServer => Some(self.in_phase_for),
            ConnectionCause::ServerDoesNotRead => server.waited(),
            ConnectionCause::BothWait => {
                client.waited().zip(server.waited()).map(|(one, other)| one.min(other))
            }
            // The FIN was an answer, too. A server that does not close rarely sends anything more.
            ConnectionCause::PeerGone | ConnectionCause::ClosedByClient => self.since_client_answered,
            // Nothing is sent before accept, so that this is the time since the connection was opened.
            ConnectionCause::InAcceptQueue => Some(self.since_sent.unwrap_or(0.0).max(self.seen_for)),
            ConnectionCause::Idle => {
                client.since_moved().zip(server.since_moved()).map(|(sent, received)| sent.min(received))
            }
            // A connection that moves all the time, if only slowly, has no beginning of that in its figures.
            ConnectionCause::Flows
            | ConnectionCause::ClientReadsSlowly
            | ConnectionCause::ServerReadsSlowly => None,
        }
    }

    /// Whether the client's kernel has answered what was sent last, if only by repeating that its window is closed.
    fn has_answered(&self) -> bool {
        let Some(answered) = self.since_client_answered else { return false };
        let is_retransmitting = self.timer == Some(SocketTimer::Retransmit);
        answered < ANSWER_SECONDS || is_retransmitting && self.since_sent.is_some_and(|sent| answered <= sent)
    }
}

/// Retransmissions or window probes without any answer from which on a peer counts as gone: on a fast network 1.4 seconds.
const LOST_SEGMENTS: u32 = 3;

/// The same of keep-alive probes, between which there is usually more than a minute.
const LOST_KEEP_ALIVES: u32 = 2;

/// Seconds since the last answer up to which a peer is not gone.
const ANSWER_SECONDS: f64 = 1.0;
