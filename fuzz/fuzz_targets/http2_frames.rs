//! Any bytes, in any pieces, as what an HTTP/2 server sends: the same events however they were split, within all limits.
#![no_main]

#[path = "../../crates/http2/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| support::conversation::check(input));
