//! Any bytes as a DNS query: the reply is within the limits of each transport.
#![no_main]

#[path = "../../crates/lab/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| support::dns::check_query(input));
