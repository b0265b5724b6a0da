//! Any bytes as the field blocks of one HTTP/2 connection.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| echoctl_http2::fuzzed::check_blocks(input));
