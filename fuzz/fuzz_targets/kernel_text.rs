//! Any bytes as texts of /proc, /sys and /etc, and as structures of socket options.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| echoctl_observe::fuzzed::check_texts(input));
