//! Any operations on the buffer: it holds what a `Vec` would hold and never passes its limit.
#![no_main]

#[path = "../../crates/proto/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| support::buffer::check(input));
