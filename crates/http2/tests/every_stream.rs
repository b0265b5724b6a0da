//! Promise: a server's bytes mean the same however they were split, and nothing exceeds its limit: the seeds of the fuzz target, cut
//! short anywhere and with any byte changed, and any other bytes.

#![cfg(test)]

mod support;

use proptest::prelude::*;

use support::conversation::check;

#[test]
fn garbled_conversations_keep_the_promises() {
    let folder = format!("{}/../../fuzz/seeds/http2_frames", env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(file.unwrap().path()).unwrap();
        check(&seed);
        (0..seed.len()).for_each(|end| check(&seed[..end]));
        for at in 0..seed.len() {
            for byte in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x24, 0x40, 0x7f, 0x80, 0xff] {
                let mut garbled = seed.clone();
                garbled[at] = byte;
                check(&garbled);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_frames_keep_the_promises(
        state in any::<[u8; 4]>(),
        frames in prop::collection::vec(
            (0..11_u8, any::<u8>(), 0..9_u32, prop::collection::vec(any::<u8>(), 0..40)),
            0..20,
        ),
    ) {
        let bytes = frames.iter().map(|(kind, flags, stream, payload)| {
            support::bytes::frame(*kind, *flags, *stream, payload)
        });
        check(&[&state[..], &bytes.collect::<Vec<_>>().concat()].concat());
    }
}
