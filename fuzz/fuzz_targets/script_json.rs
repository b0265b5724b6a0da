//! A script of an audit in JSON: any bytes, refused in bounded words or printed and read back.
#![no_main]

#[path = "../../crates/audit/tests/support/script.rs"]
mod script;

libfuzzer_sys::fuzz_target!(|input: &[u8]| script::check_json(input));
