//! What the kernel answers when it is asked for sockets: any bytes as netlink messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| echoctl_observe::fuzzed::check_messages(input));
