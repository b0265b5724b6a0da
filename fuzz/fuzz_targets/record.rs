//! Any bytes as a record, parsed and drawn in every way.
#![no_main]

#[path = "../../crates/report/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| support::record::check(input));
