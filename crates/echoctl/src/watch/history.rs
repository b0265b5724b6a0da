//! What is kept of a watch: its samples, made such that a record of them says no more than was seen.
//!
//! - A client elsewhere shows nothing of its queues: its connections are counted as `remote_clients`.
//! - A server that is watched need not be an echo, so nothing is said of what is inside it: `is_echo` is false.
//! - A connection that goes takes its counters out of the kernel's sums. A record goes on counting its bytes, in and out,
//!   so that rates can be taken of it. They are on both sides of each queue, so the queues stay what they are.

use std::collections::HashMap;
use std::net::SocketAddr;

use echoctl_observe::Connection;
use echoctl_record::Sample;

/// Turns samples of changing connections into those of a record.
#[derive(Debug, Default)]
pub(super) struct History {
    known: HashMap<(SocketAddr, SocketAddr), LastSeen>,
    /// Bytes that came in and went out on connections that have gone.
    gone: (u64, u64),
}

/// A connection when it was last seen.
#[derive(Debug, Clone, Copy)]
struct LastSeen {
    received: u64,
    written: u64,
    /// Whether its client's end was ever visible: one that was and is not has gone, and its queues with it.
    client_was_seen: bool,
}

impl History {
    /// Says in `sample` what is not known of these connections, and gives what a record keeps of it.
    pub(super) fn add<'a>(
        &mut self,
        sample: &mut Sample,
        connections: impl Iterator<Item = &'a Connection>,
    ) -> Sample {
        let mut now = HashMap::with_capacity(self.known.len());
        let mut far = 0;
        for connection in connections {
            let which = (connection.local, connection.peer);
            let before = self.known.remove(&which);
            let known = LastSeen {
                received: connection.counters.server_received.unwrap_or(0),
                written: connection.counters.server_written.unwrap_or(0),
                client_was_seen: connection.client.is_some()
                    || before.is_some_and(|known| known.client_was_seen),
            };
            far += u32::from(!known.client_was_seen);
            now.insert(which, known);
        }
        for gone in std::mem::replace(&mut self.known, now).into_values() {
            self.gone.0 += gone.received;
            self.gone.1 += gone.written;
        }
        sample.remote_clients = (far > 0).then_some(far);
        self.counted_on(*sample)
    }

    fn counted_on(&self, sample: Sample) -> Sample {
        let (received, written) = self.gone;
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
    use echoctl_record::Queues;

    use super::*;

    /// A connection of which only the server's end is visible.
    fn far(port: u16, received: u64, written: u64) -> Connection {
        let counters = Counters {
            server_received: Some(received),
            server_written: Some(written),
            produced: received,
            ..Counters::default()
        };
        Connection {
            local: SocketAddr::from(([127, 0, 0, 2], port)),
            peer: SocketAddr::from(([127, 0, 0, 1], 7007)),
            counters,
            client: None,
            server: None,
            window_zero_since: None,
            server_was_seen: true,
        }
    }

    #[test]
    fn bytes_of_a_connection_that_has_gone_stay_counted_and_leave_the_queues_alone() {
        let mut kept = History::default();
        let sample = |received, read| Sample {
            produced: received,
            server_received: Some(received),
            server_read: Some(read),
            server_written: Some(0),
            ..Sample::default()
        };
        kept.add(&mut sample(1500, 1400), [far(1, 1000, 70), far(2, 500, 0)].iter());

        let later = kept.add(&mut sample(600, 590), [far(2, 600, 0)].iter());

        assert_eq!(
            (later.produced, later.server_received, later.server_read),
            (1600, Some(1600), Some(1590))
        );
        assert_eq!((later.server_written, later.consumed), (Some(70), 70));
        assert_eq!(Queues::of(&later).server_receive, Some(10));
    }

    #[test]
    fn what_is_not_known_of_far_clients_and_of_the_server_is_absent() {
        let mut sample = Sample { server_received: Some(9), server_read: Some(5), ..Sample::default() };
        sample.server_written = Some(0);

        let kept = History::default().add(&mut sample, [far(1, 9, 0)].iter());

        let queues = Queues::of(&kept);
        assert_eq!((queues.client_send, queues.client_receive, queues.inside_server), (None, None, None));
        assert_eq!(
            (kept.remote_clients, sample.remote_clients, queues.server_receive),
            (Some(1), Some(1), Some(4))
        );
    }
}
