//! Computes the bytes in each queue from the counters of a [`Sample`].

use std::ops::RangeInclusive;

use crate::{Sample, SocketLimits};

/// Bytes in each queue on the path. `None` where a neighbouring counter is not visible on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queues {
    /// In the client's send queue: produced and not yet arrived at the server's kernel.
    pub client_send: Option<u64>,
    /// In the server's receive queue.
    pub server_receive: Option<u64>,
    /// Inside the server: read by it and not yet written back. Defined only for a server that echoes.
    pub inside_server: Option<u64>,
    /// In the server's send queue.
    pub server_send: Option<u64>,
    /// In the client's receive queue.
    pub client_receive: Option<u64>,
    /// Bytes that cannot have been where the counters put them, since the counters are read at slightly different instants:
    /// differences below 0, which count as 0, and what exceeds the limit of a kernel's queue.
    pub clamped: u64,
}

impl Queues {
    /// The queues of one sample.
    pub fn of(sample: &Sample) -> Queues {
        let mut clamped = 0;
        let mut between = |before: Option<u64>, after: Option<u64>| {
            let (before, after) = (before?, after?);
            clamped = u64::saturating_add(clamped, after.saturating_sub(before));
            Some(before.saturating_sub(after))
        };
        let clients_are_local = sample.remote_clients.unwrap_or(0) == 0;
        let (produced, consumed) = (Some(sample.produced), Some(sample.consumed));
        let is_echo = sample.is_echo.unwrap_or(true);
        Queues {
            client_send: between(produced.filter(|_| clients_are_local), sample.server_received),
            server_receive: between(sample.server_received, sample.server_read),
            inside_server: between(sample.server_read.filter(|_| is_echo), sample.server_written),
            server_send: between(sample.server_written, sample.client_received),
            client_receive: between(sample.client_received, consumed.filter(|_| clients_are_local)),
            clamped,
        }
    }

    /// The queues of one sample, none of the kernel's above its limit for the number of connections.
    pub fn within(sample: &Sample, limits: &SocketLimits) -> Queues {
        let mut queues = Queues::of(sample);
        let connections = u64::from(sample.connections.max(1));
        let mut clamp = |queue: &mut Option<u64>, limit: u64| {
            if let Some(bytes) = queue {
                let most = limit.saturating_mul(connections);
                queues.clamped = queues.clamped.saturating_add(bytes.saturating_sub(most));
                *bytes = (*bytes).min(most);
            }
        };
        clamp(&mut queues.client_send, limits.send);
        clamp(&mut queues.server_send, limits.send);
        clamp(&mut queues.server_receive, limits.receive);
        clamp(&mut queues.client_receive, limits.receive);
        queues
    }

    /// Bytes in all queues that are visible.
    pub fn total(&self) -> u64 {
        let all = [
            self.client_send,
            self.server_receive,
            self.inside_server,
            self.server_send,
            self.client_receive,
        ];
        all.into_iter().flatten().fold(0, u64::saturating_add)
    }
}

/// The largest value during `span`, in seconds. A sentence about a phase of a run states the maximum of that phase: in another
/// one, such as the catch-up after a pause, counters move fast, and those read at different instants differ by megabytes.
///
/// ```
/// use echoctl_record::{Queues, Sample, peak_during};
///
/// let sample = |t, server_read| {
///     Sample { t, server_read: Some(server_read), server_written: Some(0), ..Sample::default() }
/// };
/// let samples = [sample(1.0, 64), sample(2.0, 128), sample(3.0, 4096)];
/// let inside = |sample: &Sample| Queues::of(sample).inside_server;
/// assert_eq!(peak_during(&samples, 0.0..=2.5, inside), Some(128));
/// ```
pub fn peak_during(
    samples: &[Sample],
    span: RangeInclusive<f64>,
    value: impl Fn(&Sample) -> Option<u64>,
) -> Option<u64> {
    samples.iter().filter(|sample| span.contains(&sample.t)).filter_map(value).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_add_up_to_produced_minus_consumed() {
        let sample = Sample {
            produced: 100,
            server_received: Some(80),
            server_read: Some(70),
            server_written: Some(40),
            client_received: Some(30),
            consumed: 10,
            ..Sample::default()
        };

        let queues = Queues::of(&sample);

        let all = [
            queues.client_send,
            queues.server_receive,
            queues.inside_server,
            queues.server_send,
            queues.client_receive,
        ];
        assert_eq!(all, [20, 10, 30, 10, 20].map(Some));
        assert_eq!(queues.clamped, 0);
    }

    #[test]
    fn remote_queues_and_the_inside_of_no_echo_are_absent() {
        let sample = Sample {
            produced: 80,
            server_received: Some(80),
            server_read: Some(70),
            server_written: Some(900),
            client_received: Some(600),
            consumed: 600,
            remote_clients: Some(1),
            is_echo: Some(false),
            ..Sample::default()
        };

        let queues = Queues::of(&sample);

        let visible = Queues { server_receive: Some(10), server_send: Some(300), ..Queues::default() };
        assert_eq!(queues, visible);
        assert_eq!(sample.in_flight(), 310);
    }

    #[test]
    fn a_negative_difference_counts_as_zero_and_is_reported() {
        let sample = Sample { produced: 100, server_received: Some(130), ..Sample::default() };

        let queues = Queues::of(&sample);

        assert_eq!((queues.client_send, queues.clamped), (Some(0), 30));
    }

    #[test]
    fn no_kernel_queue_exceeds_the_limit_of_its_sockets() {
        let limits = SocketLimits { send: 100, receive: 1000 };
        let sample = Sample {
            connections: 2,
            produced: 5000,
            server_received: Some(4700),
            server_read: Some(2000),
            server_written: Some(1500),
            client_received: Some(1350),
            consumed: 0,
            ..Sample::default()
        };

        let queues = Queues::within(&sample, &limits);

        assert_eq!((queues.client_send, queues.server_send), (Some(200), Some(150)));
        assert_eq!((queues.server_receive, queues.client_receive), (Some(2000), Some(1350)));
        assert_eq!((queues.inside_server, queues.clamped), (Some(500), 800));
    }
}
