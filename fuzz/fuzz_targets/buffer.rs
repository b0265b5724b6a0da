//! Any operations on the buffer: it contains what a `Vec` would contain and never exceeds its limit.
#![no_main]

#[path = "../../crates/proto/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| support::buffer::check(input));
