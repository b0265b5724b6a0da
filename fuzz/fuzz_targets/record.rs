//! Any bytes as a record: parsed, drawn in every way, and judged.
#![no_main]

#[path = "../../crates/verdict/tests/support/judged.rs"]
mod judged;
#[path = "../../crates/report/tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    support::record::check(input);
    if let Ok(run) = echoctl_record::Run::read(input) {
        judged::check(&run);
    }
});
