//! What is asked about a server that closed the connection.

use echoctl_record::{Control, DisconnectKind, Point};

use crate::audit::limits::*;
use crate::audit::signals::{STALL_BYTES, Signals};

impl Signals<'_> {
    /// How the connection closed, if it did.
    pub(in crate::audit) fn disconnect(&self) -> Option<DisconnectKind> {
        self.evidence.disconnect.map(|disconnect| disconnect.kind)
    }

    /// Whether the server's process crashed.
    pub(in crate::audit) fn has_crashed(&self) -> bool {
        self.disconnect() == Some(DisconnectKind::Crashed)
    }

    /// Whether it sent a reply that fits into the kernels' queues, and then FIN: the regular end of a request, not a defence.
    pub(in crate::audit) fn has_just_answered(&self) -> bool {
        let is_regular = self.disconnect() == Some(DisconnectKind::Closed)
            && self.given() > 0
            && self.written <= self.evidence.kernel_buffering
            && self.stalled < 1.0
            && self.waited() < 1.0
            && !self.used_up_windows();
        let is_small = self.given() > 0 && !self.was_under_pressure() && !self.is_refused_by_protocol();
        !self.evidence.repeats && (is_regular || is_small) && !self.reader_got_more()
    }

    /// Whether the windows of the protocol were used up, so that what the server had to send was larger.
    fn used_up_windows(&self) -> bool {
        self.evidence.points.iter().any(|point| point.output_credit == Some(0))
    }

    /// Whether a client that reads received clearly more than the slow reader was given, so that this was not all.
    fn reader_got_more(&self) -> bool {
        self.evidence.control.as_ref().is_some_and(|control| control.received > self.as_little())
    }

    /// The most that a client that is refused as the slow reader was can receive.
    fn as_little(&self) -> u64 {
        // The control client sends more than the slow reader did, so it gets more replies of the same kind.
        let given = self.given() / u64::from(self.first.sample.connections.max(1));
        given.saturating_add(given / 2).saturating_add(STALL_BYTES)
    }

    /// Whether the server closed a connection whose output had been drained to the last byte: the regular end of a request.
    pub(in crate::audit) fn ended_after_its_answer(&self) -> bool {
        let before_drain = self.own_movement().before_drain;
        self.disconnect() == Some(DisconnectKind::Closed)
            && before_drain.is_some_and(|point| self.output_waited_at(&point))
            && !self.output_waited_at(&self.last)
    }

    /// Whether the server ended the connection or its streams with an error of its protocol.
    fn is_refused_by_protocol(&self) -> bool {
        matches!(self.disconnect(), Some(DisconnectKind::GoAway | DisconnectKind::StreamsReset))
    }

    /// Whether the slow reader's not reading has ever had an effect: output no longer fit into its queue, or the server buffered
    /// much. Input that waited has other reasons, such as an error after which the server no longer reads.
    pub(in crate::audit) fn was_under_pressure(&self) -> bool {
        self.has_buffered_replies() || self.unread().any(|point| self.output_no_longer_fit(point))
    }

    /// Whether the server sent more than an error, and buffered much. A server that makes replies faster than any client reads
    /// them disconnects one that reads as well, to limit its memory.
    pub(in crate::audit) fn has_buffered_replies(&self) -> bool {
        let has_sent = self.given() > GREETING_BYTES || self.has_output();
        self.peak().unwrap_or(0) >= ENOUGH_GROWTH && has_sent
    }

    /// Whether it had buffered more for the slow reader than any queue should hold: if its limit is a time, what it buffers depends on how
    /// fast the client sends.
    pub(in crate::audit) fn kept_a_budget(&self) -> bool {
        let peak = self.peak().unwrap_or(0);
        peak >= self.evidence.budget.max(NO_QUEUE) && self.has_buffered_replies()
    }

    /// Whether a client that reads was not disconnected, and received more than the slow reader was given.
    pub(in crate::audit) fn serves_a_reader(&self) -> bool {
        self.evidence
            .control
            .as_ref()
            .is_some_and(|control| control.disconnected_at.is_none() && control.received > self.given())
    }

    /// Whether it closes each connection, silently, after a certain amount of input: a limit, and nothing that it has to send.
    pub(in crate::audit) fn limits_input(&self) -> bool {
        let is_silent = |control: &Control| control.received == 0 && self.given() == 0;
        self.evidence.repeats
            && self.evidence.control.as_ref().is_some_and(|control| {
                is_silent(control)
                    && control.disconnected_at.is_some()
                    && control.refuses_first_bytes == Some(false)
            })
    }

    /// Whether it ends a flood of frames, and not a connection that has just begun. Whether the client reads does not matter then.
    pub(in crate::audit) fn ends_a_flood(&self) -> bool {
        let refuses_few = self.evidence.control.as_ref().and_then(|control| control.refuses_first_bytes);
        self.evidence.is_flood && refuses_few != Some(true)
    }

    /// Whether it disconnects a client that reads as well, before that has received much more than the slow reader was given.
    pub(in crate::audit) fn refuses_readers_too(&self) -> bool {
        self.evidence
            .control
            .as_ref()
            .is_some_and(|control| control.disconnected_at.is_some() && control.received <= self.as_little())
    }

    /// The most output that is known to have been written to the slow reader.
    fn given(&self) -> u64 {
        let written = self.evidence.points.iter().map(Point::server_written).max().unwrap_or(0);
        let drained = self.evidence.drain.as_ref().map_or(0, |drain| drain.bytes);
        written.max(self.last.sample.consumed.saturating_add(drained))
    }

    /// Whether output waited in the server's kernel or for windows or, where neither is visible, filled the slow reader's queue.
    fn output_no_longer_fit(&self, point: &Point) -> bool {
        let sees_both_ends = point.sample.server_written.is_some() && point.sample.client_received.is_some();
        let limit = if sees_both_ends { STALL_BYTES } else { GREETING_BYTES };
        let is_full = point.output_is_full.is_some() || point.output_credit.is_some();
        (is_full && self.output_waited_at(point)) || point.output_waiting() > limit
    }
}
