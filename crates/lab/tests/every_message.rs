//! Promise: the seeds of the fuzz targets, cut short anywhere and with any byte changed, never break the guarantees for
//! queries and replies.

#![cfg(test)]

mod support;

use support::dns::{check_query, check_reply};

fn check_seeds(target: &str, check: fn(&[u8])) {
    let folder = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(file.unwrap().path()).unwrap();
        check(&seed);
        (0..seed.len()).for_each(|end| check(&seed[..end]));
        for at in 0..seed.len() {
            for byte in [0, 1, 0x0c, 0x3f, 0x80, 0xc0, 0xff] {
                let mut garbled = seed.clone();
                garbled[at] = byte;
                check(&garbled);
            }
        }
    }
}

#[test]
fn garbled_queries_keep_the_promises() {
    check_seeds("dns_query", check_query);
}

#[test]
fn garbled_replies_keep_the_promises() {
    check_seeds("dns_reply", check_reply);
}
