//! Any bytes, in any pieces, as a stream of `u16` frames: the decoder agrees with the naive decoder.
#![no_main]

#[path = "../../crates/proto/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| support::framing::check(echoctl_proto::Framing::U16, input));
