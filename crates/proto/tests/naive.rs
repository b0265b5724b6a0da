//! Promise: the decoder, which scans each byte once, agrees with a naive decoder, which scans all bytes each time.

mod support;

use echoctl_proto::Framing;
use proptest::prelude::*;

use support::framing::{Query, check, run};
use support::strategies::{any_framing, config, split, splits, stream};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn both_decoders_agree_on_streams_of_frames(
        (framing, stream) in any_framing().prop_flat_map(|framing| (Just(framing), stream(framing))),
        max_frame in prop_oneof![0..30_usize, Just(1000), Just(usize::MAX)],
        splits in splits(),
    ) {
        run(framing, max_frame, &split(&stream, &splits));
    }

    #[test]
    fn both_decoders_agree_on_any_bytes(
        framing in any_framing(),
        input in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        check(framing, &input);
    }
}

#[test]
fn both_decoders_agree_on_the_fuzz_seeds() {
    check(Framing::Lines, include_bytes!("../../../fuzz/seeds/framing_lines/mixed"));
    check(Framing::U16, include_bytes!("../../../fuzz/seeds/framing_u16/mixed"));
    check(Framing::U32, include_bytes!("../../../fuzz/seeds/framing_u32/mixed"));
    check(Framing::Raw, include_bytes!("../../../fuzz/seeds/framing_raw/mixed"));
}

#[test]
fn a_valid_frame_is_decoded_before_an_invalid_one_fails() {
    for query in [Query::Decode, Query::CompleteLen] {
        let outcome = run(Framing::U16, 3, &[(b"\0\x03abc\xff\xff", query)]);

        assert_eq!(outcome.frames, [b"\0\x03abc"]);
        assert!(outcome.rest.is_err());
    }
}
