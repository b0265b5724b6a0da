//! Computes the bytes in each queue from the counters of a [`Sample`].

use std::ops::{Index, RangeInclusive};

use crate::{PathCounters, Sample, SocketLimits};

/// A queue on the path from producer to consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// The client's send queue: produced and not yet arrived at the server's kernel.
    ClientSend,
    /// The server's receive queue.
    ServerReceive,
    /// Inside the server: read by it and not yet written back. Defined only for a server that echoes.
    Inside,
    /// The server's send queue.
    ServerSend,
    /// The client's receive queue.
    ClientReceive,
}

impl Queue {
    /// All, in the order of the path.
    pub const ALL: [Queue; 5] =
        [Queue::ClientSend, Queue::ServerReceive, Queue::Inside, Queue::ServerSend, Queue::ClientReceive];

    /// Its name in charts and tables.
    pub const fn label(self) -> &'static str {
        match self {
            Queue::ClientSend => "client send queue",
            Queue::ServerReceive => "server receive queue",
            Queue::Inside => "inside the server",
            Queue::ServerSend => "server send queue",
            Queue::ClientReceive => "client receive queue",
        }
    }

    /// Whether it is in the memory of a kernel.
    pub const fn is_kernel(self) -> bool {
        !matches!(self, Queue::Inside)
    }

    /// The most bytes in it on one connection.
    const fn limit(self, limits: &SocketLimits) -> u64 {
        match self {
            Queue::ClientSend | Queue::ServerSend => limits.send,
            Queue::ServerReceive | Queue::ClientReceive => limits.receive,
            Queue::Inside => u64::MAX,
        }
    }
}

/// Bytes in each queue on the path, by [`Queue`]. `None` where a neighbouring counter is not visible on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queues {
    bytes: [Option<u64>; 5],
    /// Bytes that cannot have been where the counters put them, since the counters are read at slightly different instants:
    /// differences below 0, which count as 0, and what exceeds the limit of a kernel's queue.
    pub clamped: u64,
}

impl Queues {
    /// The queues of one sample.
    pub fn of(sample: &Sample) -> Queues {
        let counters = [
            Some(sample.produced),
            sample.server_received,
            sample.server_read,
            sample.server_written,
            sample.client_received,
            Some(sample.consumed),
        ];
        Queues::between(counters, |queue| match queue {
            Queue::ClientSend | Queue::ClientReceive => sample.remote_clients.unwrap_or(0) == 0,
            Queue::Inside => sample.is_echo.unwrap_or(true),
            Queue::ServerReceive | Queue::ServerSend => true,
        })
    }

    /// The queues between these counters, in the order of the path, as far as both neighbours are known and the queue is visible.
    #[inline]
    pub fn between(counters: PathCounters, is_visible: impl Fn(Queue) -> bool) -> Queues {
        let mut queues = Queues::default();
        for queue in Queue::ALL {
            let [before, after] = [counters[queue as usize], counters[queue as usize + 1]];
            if let Some((before, after)) = before.zip(after).filter(|_| is_visible(queue)) {
                queues.bytes[queue as usize] = Some(before.saturating_sub(after));
                queues.clamped = queues.clamped.saturating_add(after.saturating_sub(before));
            }
        }
        queues
    }

    /// The queues of one sample, none of the kernel's above its limit for the number of connections.
    pub fn within(sample: &Sample, limits: &SocketLimits) -> Queues {
        let mut queues = Queues::of(sample);
        for queue in Queue::ALL {
            let most = queue.limit(limits).saturating_mul(u64::from(sample.connections.max(1)));
            if let Some(bytes) = &mut queues.bytes[queue as usize] {
                queues.clamped = queues.clamped.saturating_add(bytes.saturating_sub(most));
                *bytes = (*bytes).min(most);
            }
        }
        queues
    }

    /// Bytes in all queues that are visible.
    pub fn total(&self) -> u64 {
        self.bytes.into_iter().flatten().fold(0, u64::saturating_add)
    }

    /// Bytes in the kernels' queues of both ends; `None` if one of them is not visible.
    pub fn in_kernels(&self) -> Option<u64> {
        let mut kernel = Queue::ALL.into_iter().filter(|queue| queue.is_kernel()).map(|queue| self[queue]);
        kernel.try_fold(0, |sum: u64, bytes| Some(sum.saturating_add(bytes?)))
    }
}

impl Index<Queue> for Queues {
    type Output = Option<u64>;

    fn index(&self, queue: Queue) -> &Option<u64> {
        &self.bytes[queue as usize]
    }
}

/// The largest value during `span`, in seconds. A sentence about a phase of a run states the maximum of that phase: in another
/// one, such as the catch-up after a pause, counters move fast, and those read at different instants differ by megabytes.
///
/// ```
/// use echoctl_record::{Queue, Queues, Sample, peak_during};
///
/// let sample = |t, server_read| {
///     Sample { t, server_read: Some(server_read), server_written: Some(0), ..Sample::default() }
/// };
/// let samples = [sample(1.0, 64), sample(2.0, 128), sample(3.0, 4096)];
/// let inside = |sample: &Sample| Queues::of(sample)[Queue::Inside];
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

        assert_eq!(Queue::ALL.map(|queue| queues[queue]), [20, 10, 30, 10, 20].map(Some));
        assert_eq!((queues.total(), queues.in_kernels(), queues.clamped), (90, Some(60), 0));
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

        assert_eq!(Queue::ALL.map(|queue| queues[queue]), [None, Some(10), None, Some(300), None]);
        assert_eq!(queues.in_kernels(), None);
        assert_eq!(sample.in_flight(), 310);
    }

    #[test]
    fn a_negative_difference_counts_as_zero_and_is_reported() {
        let sample = Sample { produced: 100, server_received: Some(130), ..Sample::default() };

        let queues = Queues::of(&sample);

        assert_eq!((queues[Queue::ClientSend], queues.clamped), (Some(0), 30));
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

        assert_eq!(Queue::ALL.map(|queue| queues[queue]), [200, 2000, 500, 150, 1350].map(Some));
        assert_eq!(queues.clamped, 800);
    }
}
