//! The queues: the bytes between neighbouring counters of a [`Sample`].

use crate::Sample;

/// Bytes in each queue on the path. `None` where a counter beside it is not visible on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queues {
    /// Produced and not yet arrived at the server's kernel: in the client's send queue.
    pub client_send: Option<u64>,
    /// In the server's receive queue.
    pub server_receive: Option<u64>,
    /// Read by the server and not yet written back: inside the server. Meaningful for an echo alone.
    pub inside_server: Option<u64>,
    /// In the server's send queue.
    pub server_send: Option<u64>,
    /// In the client's receive queue.
    pub client_receive: Option<u64>,
    /// The sum of all differences that were negative and are shown as 0: counters read a moment apart.
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
        let clients_are_here = sample.remote_clients.unwrap_or(0) == 0;
        let (produced, consumed) = (Some(sample.produced), Some(sample.consumed));
        let is_echo = sample.is_echo.unwrap_or(true);
        Queues {
            client_send: between(produced.filter(|_| clients_are_here), sample.server_received),
            server_receive: between(sample.server_received, sample.server_read),
            inside_server: between(sample.server_read.filter(|_| is_echo), sample.server_written),
            server_send: between(sample.server_written, sample.client_received),
            client_receive: between(sample.client_received, consumed.filter(|_| clients_are_here)),
            clamped,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_add_up_to_what_was_produced_and_not_consumed() {
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
    fn queues_of_far_clients_and_the_inside_of_what_is_no_echo_are_not_visible() {
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
    fn a_counter_read_too_late_is_clamped_and_the_clamp_is_told() {
        let sample = Sample { produced: 100, server_received: Some(130), ..Sample::default() };

        let queues = Queues::of(&sample);

        assert_eq!((queues.client_send, queues.clamped), (Some(0), 30));
    }
}
