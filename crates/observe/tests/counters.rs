//! Properties of the six counters: they never fall, are ordered along the path, and are exact at rest, also when an endpoint
//! vanishes.
#![cfg(test)]

use echoctl_observe::{Counters, Seen, ServerSeen, combine};
use proptest::collection::vec;
use proptest::prelude::*;

/// A connection of which everything is known. Bytes move along the path; acknowledgements follow them later.
#[derive(Debug, Clone, Copy, Default)]
struct Truth {
    produced: u64,
    server_received: u64,
    /// What the client's kernel knows to have arrived.
    acknowledged_by_server: u64,
    server_read: u64,
    server_written: u64,
    client_received: u64,
    /// What the server's kernel knows to have arrived.
    acknowledged_by_client: u64,
    consumed: u64,
}

impl Truth {
    /// Moves up to `bytes` over one of the boundaries. The server may write more or less than it has read.
    fn advance(&mut self, (boundary, bytes): (usize, u64)) {
        let to = |now: u64, limit: u64| now.saturating_add(bytes).min(limit);
        match boundary {
            0 => self.produced += bytes,
            1 => self.server_received = to(self.server_received, self.produced),
            2 => self.acknowledged_by_server = to(self.acknowledged_by_server, self.server_received),
            3 => self.server_read = to(self.server_read, self.server_received),
            4 => self.server_written += bytes,
            5 => self.client_received = to(self.client_received, self.server_written),
            6 => self.acknowledged_by_client = to(self.acknowledged_by_client, self.client_received),
            _ => self.consumed = to(self.consumed, self.client_received),
        }
    }

    fn server(&self) -> ServerSeen {
        ServerSeen {
            received: Some(self.server_received),
            unread: self.server_received - self.server_read,
            acknowledged: Some(self.acknowledged_by_client),
            unacknowledged: self.server_written - self.acknowledged_by_client,
        }
    }

    /// One reading, in the order of a sample, with bytes that move between its four parts.
    fn read(&mut self, sees: Sees, moves: &[Vec<(usize, u64)>; 3]) -> Seen {
        let mut seen = Seen { consumed: Some(self.consumed), ..Seen::default() };
        self.advance_all(&moves[0]);
        seen.acknowledged = Some(self.acknowledged_by_server);
        seen.client_received = Some(self.client_received);
        self.advance_all(&moves[1]);
        seen.server = (sees != Sees::Client).then(|| self.server());
        self.advance_all(&moves[2]);
        seen.produced = Some(self.produced);
        if sees == Sees::Server {
            seen = Seen { server: seen.server, ..Seen::default() };
        }
        seen
    }

    fn advance_all(&mut self, moves: &[(usize, u64)]) {
        moves.iter().for_each(|&one| self.advance(one));
    }

    /// Moves everything to its end.
    fn settle(&mut self) {
        for boundary in [1, 2, 3, 5, 6, 7] {
            self.advance((boundary, u64::MAX));
        }
    }
}

/// Which endpoints a reading shows. One that has vanished does not come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sees {
    Both,
    /// The server's is closed or on another host.
    Client,
    /// The client's is closed or on another host.
    Server,
}

fn moves() -> impl Strategy<Value = Vec<(usize, u64)>> {
    vec((0..8_usize, 0..100_000_u64), 0..6)
}

fn sees() -> impl Strategy<Value = Sees> {
    prop_oneof![Just(Sees::Both), Just(Sees::Client), Just(Sees::Server)]
}

/// The order along the path. Replies are not compared with requests: only an echo has as many of both.
fn is_ordered(counters: &Counters) -> bool {
    let Counters {
        produced, server_received, server_read, server_written, client_received, consumed, ..
    } = *counters;
    server_received.is_none_or(|received| received <= produced)
        && server_read <= server_received
        && server_written.is_none_or(|written| Some(written) >= client_received)
        && client_received.is_none_or(|received| received >= consumed)
}

fn each(counters: &Counters) -> [Option<u64>; 6] {
    [
        Some(counters.produced),
        counters.server_received,
        counters.server_read,
        counters.server_written,
        counters.client_received,
        Some(counters.consumed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counters_never_fall_and_keep_their_order(
        readings in vec((moves(), [moves(), moves(), moves()]), 1..20),
        (vanishes_at, then) in (0..20_usize, sees()),
    ) {
        let (mut truth, mut counters) = (Truth::default(), Counters::default());
        for (index, (before, during)) in readings.into_iter().enumerate() {
            let sees = if index < vanishes_at { Sees::Both } else { then };
            truth.advance_all(&before);
            let previous = counters;

            counters = combine(&previous, &truth.read(sees, &during));

            prop_assert!(is_ordered(&counters), "{counters:?}");
            for (before, now) in each(&previous).into_iter().zip(each(&counters)) {
                prop_assert!(now >= before, "{previous:?} {counters:?}");
            }
            prop_assert!(counters.produced <= truth.produced && counters.consumed <= truth.client_received);
        }
    }

    #[test]
    fn a_reading_of_both_ends_lies_between_its_start_and_its_end(before in moves(), during in [moves(), moves(), moves()]) {
        let mut truth = Truth::default();
        truth.advance_all(&before);
        let start = truth;

        let counters = combine(&Counters::default(), &truth.read(Sees::Both, &during));

        prop_assert!((start.server_read..=truth.server_read).contains(&counters.server_read.unwrap()));
        prop_assert!((start.server_written..=truth.server_written).contains(&counters.server_written.unwrap()));
        prop_assert!((start.produced..=truth.produced).contains(&counters.produced));
    }

    #[test]
    fn counters_are_exact_at_rest(moved in vec((sees(), moves()), 1..20), last in sees()) {
        let (mut truth, mut counters) = (Truth::default(), Counters::default());
        let still = [vec![], vec![], vec![]];
        counters = combine(&counters, &truth.read(Sees::Both, &still));
        for (sees, moves) in moved {
            truth.advance_all(&moves);
            counters = combine(&counters, &truth.read(sees, &still));
        }

        truth.settle();
        counters = combine(&counters, &truth.read(last, &still));

        let (sent, returned) = (Some(truth.produced), Some(truth.server_written));
        prop_assert_eq!(each(&counters), [sent, sent, sent, returned, returned, returned]);
    }

    /// Whatever a kernel returns: for the counts that are one number each, and for the order.
    #[test]
    fn nonsense_of_a_kernel_is_still_ordered(readings in vec((any::<[Option<u64>; 6]>(), any::<[u64; 2]>(), any::<bool>()), 1..10)) {
        let mut counters = Counters::default();
        for ([produced, consumed, acknowledged, client_received, received, sent], [unread, unsent], is_visible) in readings {
            let server = ServerSeen { received, unread, acknowledged: sent, unacknowledged: unsent };
            let server = is_visible.then_some(server);
            let previous = counters;

            counters = combine(&previous, &Seen { produced, consumed, acknowledged, client_received, server, skew: 0 });

            prop_assert!(is_ordered(&counters), "{counters:?}");
            for at in [0, 1, 4, 5] {
                prop_assert!(each(&counters)[at] >= each(&previous)[at]);
            }
        }
    }
}

#[test]
fn a_count_that_was_too_high_is_corrected_by_the_next_reading() {
    // 500 bytes arrived after the kernel had read the length of the queue, and before it read the counter.
    let torn = ServerSeen { received: Some(1500), unread: 400, ..ServerSeen::default() };
    let quiet = ServerSeen { received: Some(1500), unread: 900, ..ServerSeen::default() };

    let first = combine(&Counters::default(), &Seen { server: Some(torn), ..Seen::default() });
    let second = combine(&first, &Seen { server: Some(quiet), ..Seen::default() });

    assert_eq!((first.server_read, second.server_read), (Some(1100), Some(600)));
}

#[test]
fn what_a_vanished_server_had_acknowledged_counts_as_read() {
    let server = ServerSeen { received: Some(1000), unread: 400, acknowledged: Some(0), unacknowledged: 600 };
    let open = Seen { produced: Some(1000), server: Some(server), ..Seen::default() };
    let gone = Seen {
        produced: Some(1000),
        acknowledged: Some(1000),
        client_received: Some(600),
        ..Seen::default()
    };

    let counters = combine(&combine(&Counters::default(), &open), &gone);

    assert_eq!(each(&counters), [Some(1000), Some(1000), Some(1000), Some(600), Some(600), Some(600)]);
}

/// A reading of a server in another network namespace, of which only the queues are visible.
fn queues(unread: u64, unacknowledged: u64) -> ServerSeen {
    ServerSeen { unread, unacknowledged, ..ServerSeen::default() }
}

#[test]
fn with_queues_only_the_own_end_gives_the_counts() {
    let seen = Seen {
        produced: Some(1000),
        consumed: Some(50),
        acknowledged: Some(900),
        client_received: Some(70),
        server: Some(queues(400, 600)),
        skew: 0,
    };

    let counters = combine(&Counters::default(), &seen);

    assert_eq!(each(&counters), [Some(1000), Some(900), Some(500), Some(670), Some(70), Some(50)]);
}

#[test]
fn without_a_client_the_counts_are_the_least_possible() {
    let mut counters = Counters::default();
    let mut lengths = Vec::new();
    for server in [queues(0, 500), queues(30, 100), queues(10, 900)] {
        counters = combine(&counters, &Seen { server: Some(server), ..Seen::default() });
        let [_, received, read, written, arrived, _] = each(&counters);
        lengths.push((received.unwrap() - read.unwrap(), written.unwrap() - arrived.unwrap()));
    }

    assert_eq!(lengths, [(0, 500), (30, 100), (10, 900)]);
    assert_eq!(each(&counters)[1..5], [Some(30), Some(20), Some(1300), Some(400)]);
    assert!(is_ordered(&counters), "{counters:?}");
}
