//! Any bytes as the kernel's netlink replies about sockets.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| echoctl_observe::fuzzed::check_messages(input));
