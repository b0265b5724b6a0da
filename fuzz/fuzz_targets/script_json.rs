//! A script of an audit in JSON: any bytes, refused in bounded words or printed and read back.
#![no_main]

#[path = "../../crates/audit/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| support::script::check_json(input));
