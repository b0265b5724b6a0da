//! Any bytes, in any pieces, as the replies to a flood: each is counted once, whatever is wrong with it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| echoctl_client::fuzzed::check_replies(input));
