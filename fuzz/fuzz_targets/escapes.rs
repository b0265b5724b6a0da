//! Any bytes as a text with escapes, as a script or an option of an audit has it.
#![no_main]

#[path = "../../crates/audit/tests/support/script.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod script;

libfuzzer_sys::fuzz_target!(|input: &[u8]| script::check_escapes(input));
