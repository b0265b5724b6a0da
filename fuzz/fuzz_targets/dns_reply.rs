//! Any bytes as a DNS reply of another server: decoded as far as they are valid.
#![no_main]

#[path = "../../crates/lab/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| support::dns::check_reply(input));
