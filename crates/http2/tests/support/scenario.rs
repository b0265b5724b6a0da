//! Any conversation of a client and a server.

use proptest::prelude::*;

use super::peer::{Behaviour, Exchange, Fields};

/// What a client and a server do on one connection.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    /// The client's windows: of a stream, and of the connection.
    pub(crate) config: (u32, u32),
    pub(crate) behaviour: Behaviour,
    pub(crate) exchanges: Vec<Exchange>,
    /// How many bytes the network holds in each direction.
    pub(crate) network: usize,
    /// Lengths of reads, writes and pieces.
    pub(crate) lengths: Vec<usize>,
}

fn fields() -> impl Strategy<Value = Fields> {
    // Any byte that a field may have, also those with long Huffman codes; names repeat, so that the dynamic table is used.
    let value = prop_oneof!["[ -~]{0,40}", "[a-z0-9]{0,300}", "[!-~\u{80}-\u{ff}]{1,20}"]
        .prop_map(|value| value.trim().to_owned());
    prop::collection::btree_map("x-[a-d]{1,2}", value, 0..6).prop_map(|fields| fields.into_iter().collect())
}

fn body() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), 1..200_usize, 1..30_000_usize]
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let percent = prop::option::weighted(0.15, 0..100_usize);
    let trailers =
        prop::option::of(fields().prop_filter("trailers are not empty", |fields| !fields.is_empty()));
    let response = (any::<bool>(), fields(), body(), trailers);
    (fields(), body(), response, percent).prop_map(
        |(request, request_body, (has_interim, response, response_body, trailers), server_resets_at)| {
            Exchange {
                request,
                request_body,
                has_interim,
                response,
                response_body,
                trailers,
                server_resets_at,
            }
        },
    )
}

fn window() -> impl Strategy<Value = u32> {
    prop_oneof![300..1000_u32, 1000..200_000_u32, Just(i32::MAX as u32)]
}

fn behaviour() -> impl Strategy<Value = Behaviour> {
    let max_frame = prop_oneof![Just(16_384), 16_384..(1 << 24) - 1_u32];
    let table = prop_oneof![Just(0), Just(4096), 0..10_000_u32];
    let later_window = prop::option::of(window());
    (window(), window(), max_frame, 1..5_u32, table, later_window).prop_map(
        |(initial_window, connection_window, max_frame, max_streams, table, later_window)| Behaviour {
            initial_window,
            connection_window,
            max_frame,
            max_streams,
            table,
            // At least half: h2 grants nothing before half of a window is used, and does not look again when it lowers the window.
            later_window: later_window.map(|window| window.max(initial_window / 2 + 1)),
            goes_away_after: None,
        },
    )
}

/// Any scenario in which the server does not go away.
pub(crate) fn scenario() -> impl Strategy<Value = Scenario> {
    // One of them is large, so that the scenario ends soon.
    let lengths = prop::collection::vec(1..30_usize, 0..6).prop_flat_map(|small| {
        (Just(small), 10_000..100_000_usize).prop_map(|(small, large)| [small, vec![large]].concat())
    });
    let network = prop_oneof![100..1000_usize, Just(65_536)];
    ((window(), window()), behaviour(), prop::collection::vec(exchange(), 1..6), network, lengths).prop_map(
        |(config, behaviour, exchanges, network, lengths)| Scenario {
            config,
            behaviour,
            exchanges,
            network,
            lengths,
        },
    )
}
