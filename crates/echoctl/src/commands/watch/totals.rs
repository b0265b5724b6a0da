//! Counters of a changing set of connections: turns samples of those that are open into samples that can be recorded.
//!
//! - The queues of a client on another host are not visible: such connections are counted as `remote_clients`.
//! - The server need not be an echo server, so bytes inside it are unknown: `is_echo` is false.
//! - A closed connection disappears from the kernel's sums. Its bytes in and out are added here, so that counters never
//!   fall and rates stay right. They are added on both sides of each queue, so queue lengths do not change.

use std::collections::HashMap;
use std::net::SocketAddr;

use echoctl_observe::Connection;
use echoctl_record::Sample;

/// Counters of all connections that were ever seen.
#[derive(Debug, Default)]
pub(super) struct Totals {
    known: HashMap<(SocketAddr, SocketAddr), LastSeen>,
    /// Bytes received and written on connections that are closed.
    closed: (u64, u64),
    /// Bytes received and written since each connection was first seen.
    moved: (u64, u64),
    /// Whether there was a connection that shows only queues, so that more bytes may have moved.
    is_incomplete: bool,
}

/// Last known counters of a connection.
#[derive(Debug, Clone, Copy)]
struct LastSeen {
    received: Option<u64>,
    written: Option<u64>,
    /// Whether its client's socket was ever visible. One that no longer is has closed, together with its queues.
    client_was_seen: bool,
}

impl Totals {
    /// Marks in `sample` what is unknown about these connections, and returns the sample to record.
    pub(super) fn add<'a>(
        &mut self,
        sample: &mut Sample,
        connections: impl Iterator<Item = &'a Connection>,
    ) -> Sample {
        let mut now = HashMap::with_capacity(self.known.len());
        let mut remote = 0;
        for connection in connections {
            let which = (connection.local, connection.peer);
            let before = self.known.remove(&which);
            let known = LastSeen {
                received: connection.counters.server_received,
                written: connection.counters.server_written,
                client_was_seen: connection.client.is_some()
                    || before.is_some_and(|known| known.client_was_seen),
            };
            if let Some(before) = before {
                let since = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before?));
                self.moved.0 += since(known.received, before.received).unwrap_or(0);
                self.moved.1 += since(known.written, before.written).unwrap_or(0);
            }
            remote += u32::from(!known.client_was_seen);
            self.is_incomplete |= connection.shows_only_queues();
            now.insert(which, known);
        }
        for closed in std::mem::replace(&mut self.known, now).into_values() {
            self.closed.0 += closed.received.unwrap_or(0);
            self.closed.1 += closed.written.unwrap_or(0);
        }
        sample.remote_clients = (remote > 0).then_some(remote);
        self.with_closed(*sample)
    }

    /// Bytes received and written since the start, if they are visible. What a connection moved before its first sample does not
    /// count.
    pub(super) fn moved(&self) -> Option<(u64, u64)> {
        (!self.is_incomplete).then_some(self.moved)
    }

    fn with_closed(&self, sample: Sample) -> Sample {
        let (received, written) = self.closed;
        let plus = |counter: Option<u64>, more: u64| counter.map(|bytes| bytes + more);
        Sample {
            is_echo: Some(false),
            produced: sample.produced + received,
            server_received: plus(sample.server_received, received),
            server_read: plus(sample.server_read, received),
            server_written: plus(sample.server_written, written),
            client_received: plus(sample.client_received, written),
            consumed: sample.consumed + written,
            ..sample
        }
    }
}

#[cfg(test)]
mod tests {
    use echoctl_observe::Counters;
    use echoctl_record::{Queue, Queues};

    use super::*;

    /// A connection whose client is on another host.
    fn remote(port: u16, received: u64, written: u64) -> Connection {
        let counters = Counters {
            server_received: Some(received),
            server_written: Some(written),
            produced: received,
            ..Counters::default()
        };
        let (local, peer) =
            (SocketAddr::from(([127, 0, 0, 2], port)), SocketAddr::from(([127, 0, 0, 1], 7007)));
        Connection { counters, ..Connection::new(local, peer) }
    }

    #[test]
    fn bytes_of_closed_connections_stay_counted() {
        let mut totals = Totals::default();
        let sample = |received, read| Sample {
            produced: received,
            server_received: Some(received),
            server_read: Some(read),
            server_written: Some(0),
            ..Sample::default()
        };
        totals.add(&mut sample(1500, 1400), [remote(1, 1000, 70), remote(2, 500, 0)].iter());

        let later = totals.add(&mut sample(600, 590), [remote(2, 600, 0)].iter());

        assert_eq!(
            (later.produced, later.server_received, later.server_read),
            (1600, Some(1600), Some(1590))
        );
        assert_eq!((later.server_written, later.consumed), (Some(70), 70));
        assert_eq!(Queues::of(&later)[Queue::ServerReceive], Some(10));
    }

    #[test]
    fn bytes_from_before_the_first_sample_do_not_count() {
        let mut totals = Totals::default();

        totals.add(&mut Sample::default(), [remote(1, 1 << 40, 5)].iter());
        totals.add(&mut Sample::default(), [remote(1, (1 << 40) + 1000, 5), remote(2, 1 << 30, 7)].iter());

        assert_eq!(totals.moved(), Some((1000, 0)));
    }

    #[test]
    fn unknown_queues_are_absent() {
        let mut sample = Sample { server_received: Some(9), server_read: Some(5), ..Sample::default() };
        sample.server_written = Some(0);

        let recorded = Totals::default().add(&mut sample, [remote(1, 9, 0)].iter());

        let queues = Queues::of(&recorded);
        assert_eq!(
            (queues[Queue::ClientSend], queues[Queue::ClientReceive], queues[Queue::Inside]),
            (None, None, None)
        );
        assert_eq!(
            (recorded.remote_clients, sample.remote_clients, queues[Queue::ServerReceive]),
            (Some(1), Some(1), Some(4))
        );
    }
}
