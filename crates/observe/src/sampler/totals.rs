//! What a changing set of connections has moved in total, so that sums of those that are open become counters that never fall.

use echoctl_record::Sample;

use super::plus;
use crate::{Connection, Counters};

/// Bytes of connections that are followed, and of those that were.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Bytes received and written on connections that are closed.
    closed: (u64, u64),
    /// Bytes received and written since the first sample.
    moved: (u64, u64),
    /// Whether there was a connection that shows only queues, so that more bytes may have moved.
    is_incomplete: bool,
    has_closed: bool,
}

impl Totals {
    /// Adds what a connection has moved since its counters were `before`.
    pub(super) fn add(&mut self, before: &Counters, connection: &Connection) {
        let since =
            |now: Option<u64>, before: Option<u64>| now.map(|now| now.saturating_sub(before.unwrap_or(0)));
        let now = &connection.counters;
        self.moved.0 += since(now.server_received, before.server_received).unwrap_or(0);
        self.moved.1 += since(now.server_written, before.server_written).unwrap_or(0);
        self.is_incomplete |= connection.shows_only_queues();
    }

    /// Keeps the bytes of a connection that is closed.
    pub(super) fn close(&mut self, connection: &Connection) {
        self.closed.0 += connection.counters.server_received.unwrap_or(0);
        self.closed.1 += connection.counters.server_written.unwrap_or(0);
        self.has_closed = true;
    }

    /// Bytes received and written since the first sample, if they are visible. What a connection moves between the last sample and
    /// its end is not in them.
    pub(super) fn moved(&self) -> Option<(u64, u64)> {
        (!self.is_incomplete).then_some(self.moved)
    }

    /// Adds the bytes of closed connections to a sample of those that are open: on both sides of each queue, so that the lengths of
    /// queues do not change.
    pub(super) fn add_closed_to(&self, sample: &mut Sample) {
        let (received, written) = self.closed;
        // Without a connection, what is not visible is nothing.
        let zero = (sample.connections == 0 && self.has_closed).then_some(0);
        let add = |counter: &mut Option<u64>, more| *counter = plus(counter.or(zero), Some(more));
        sample.produced = sample.produced.saturating_add(received);
        add(&mut sample.server_received, received);
        add(&mut sample.server_read, received);
        add(&mut sample.server_written, written);
        add(&mut sample.client_received, written);
        sample.consumed = sample.consumed.saturating_add(written);
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use echoctl_record::{Queue, Queues};

    use super::*;

    /// A connection whose client is on another host.
    fn remote(received: u64, written: u64) -> Connection {
        let counters = Counters {
            server_received: Some(received),
            server_written: Some(written),
            produced: received,
            ..Counters::default()
        };
        let addr = SocketAddr::from(([127, 0, 0, 2], 7007));
        Connection { counters, ..Connection::new(addr, addr) }
    }

    #[test]
    fn bytes_of_closed_connections_stay_counted() {
        let mut totals = Totals::default();
        totals.close(&remote(1000, 70));
        let mut sample = Sample {
            produced: 600,
            server_received: Some(600),
            server_read: Some(590),
            server_written: Some(0),
            connections: 1,
            ..Sample::default()
        };

        totals.add_closed_to(&mut sample);

        assert_eq!(
            (sample.produced, sample.server_received, sample.server_read),
            (1600, Some(1600), Some(1590))
        );
        assert_eq!((sample.server_written, sample.consumed), (Some(70), 70));
        assert_eq!(sample.client_received, None, "of the open one, it is not visible");
        assert_eq!(Queues::of(&sample)[Queue::ServerReceive], Some(10));
        let mut none = Sample::default();
        totals.add_closed_to(&mut none);
        assert_eq!((none.server_received, none.client_received), (Some(1000), Some(70)));
    }

    #[test]
    fn bytes_from_before_the_first_sample_do_not_count() {
        let mut totals = Totals::default();
        let known = remote(1 << 40, 5);

        totals.add(&known.counters, &known);
        totals.add(&known.counters, &remote((1 << 40) + 1000, 5));
        totals.add(&Counters::default(), &remote(30, 7));

        assert_eq!(totals.moved(), Some((1030, 7)));
    }
}
