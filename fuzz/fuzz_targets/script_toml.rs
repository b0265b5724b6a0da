//! Any bytes as an audit script in TOML: refused with a short error, or printed and parsed again.
#![no_main]

#[path = "../../crates/audit/tests/support/script.rs"]
#[allow(dead_code, reason = "each target uses its part")]
mod script;

libfuzzer_sys::fuzz_target!(|input: &[u8]| script::check_toml(input));
