//! Checks all parsers of kernel data with any bytes: one function per kind of data, with the promises that hold for
//! any input.
//!
//! For the fuzz targets, which build this crate with `--cfg fuzzing`, and for the tests; other builds do not contain
//! it.

pub use crate::endpoint::check_messages;

use crate::{SocketMemory, TcpInfo, listener, machine, namespace};

/// Parses `input` as `struct tcp_info`, as socket memory, and as every text file of `/proc`, `/sys` and `/etc` that
/// is read.
pub fn check_texts(input: &[u8]) {
    if let Some(info) = TcpInfo::parse(input) {
        for side in [crate::Side::Accepting, crate::Side::Connecting] {
            assert!(info.payload_acked(side) <= info.bytes_acked);
        }
        assert!(info.payload_received() <= info.bytes_received);
    }
    if let Some(memory) = SocketMemory::parse(input) {
        assert!(memory.total() <= 3 * u64::from(u32::MAX));
    }
    let text = String::from_utf8_lossy(input);
    let (one, other) = text.split_once('\0').unwrap_or((&text, &text));
    machine::check(one, other);
    listener::check(one);
    namespace::check(input);
    crate::process::check_texts(input);
    crate::process::check_maps(input);
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// The seeds of a fuzz target.
    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(folder).unwrap();
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// Checks each seed unchanged, truncated at every length, and with each bit flipped.
    fn check_seeds(target: &str, check: fn(&[u8])) {
        let seeds = seeds(target);
        assert!(!seeds.is_empty());
        for seed in seeds {
            check(&seed);
            (0..seed.len()).for_each(|end| check(&seed[..end]));
            for bit in 0..8 * seed.len() {
                let mut damaged = seed.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                check(&damaged);
            }
        }
    }

    #[test]
    fn damaged_messages_of_sock_diag_are_handled() {
        check_seeds("sock_diag", check_messages);
    }

    #[test]
    fn damaged_texts_of_the_kernel_are_handled() {
        check_seeds("kernel_text", check_texts);
    }
}
