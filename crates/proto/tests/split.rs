//! Promise: the same stream yields the same frames, however it was split on its way.

mod support;

use proptest::prelude::*;

use support::framing::{Query, run};
use support::strategies::{config, marked_framing, split, splits, stream};

/// A framing, and a stream for it.
fn scenario() -> impl Strategy<Value = (echoctl_proto::Framing, Vec<u8>)> {
    marked_framing().prop_flat_map(|framing| (Just(framing), stream(framing)))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_split_of_the_input_yields_the_same_frames(
        (framing, stream) in scenario(),
        max_frame in prop_oneof![0..30_usize, Just(1000)],
        splits in splits(),
    ) {
        let in_one_piece = run(framing, max_frame, &[(&stream, Query::Decode)]);
        let in_pieces = run(framing, max_frame, &split(&stream, &splits));

        prop_assert_eq!(in_pieces, in_one_piece);
    }

    #[test]
    fn without_framing_any_split_yields_the_same_bytes(
        stream in prop::collection::vec(any::<u8>(), 0..2000),
        splits in splits(),
    ) {
        let outcome = run(echoctl_proto::Framing::Raw, 0, &split(&stream, &splits));

        prop_assert_eq!(outcome.frames.concat(), stream);
        prop_assert_eq!(outcome.rest, Ok(Vec::new()));
    }
}
