//! A DNS reply of another server: any bytes, read as far as they are one.
#![no_main]

#[path = "../../crates/lab/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| support::dns::check_reply(input));
