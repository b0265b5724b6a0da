//! Texts of /proc, /sys and /etc, and structures of socket options: any bytes as each of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| echoctl_observe::fuzzed::check_texts(input));
