//! Promise: no script breaks the promises. The seeds of the fuzz targets are truncated anywhere, and every byte is changed.

use crate::support::script::{check_escapes, check_json, check_toml};

fn check_seeds(target: &str, check: fn(&[u8])) {
    let folder = format!("{}/../../fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    for file in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(file.unwrap().path()).unwrap();
        check(&seed);
        (0..seed.len()).for_each(|end| check(&seed[..end]));
        for at in 0..seed.len() {
            for byte in *b"\0\n\"'\\[]{}=,0e\xff" {
                let mut garbled = seed.clone();
                garbled[at] = byte;
                check(&garbled);
            }
        }
    }
}

#[test]
fn corrupt_toml_scripts_keep_the_promises() {
    check_seeds("script_toml", check_toml);
}

#[test]
fn corrupt_json_scripts_keep_the_promises() {
    check_seeds("script_json", check_json);
}

#[test]
fn corrupt_escapes_keep_the_promises() {
    check_seeds("escapes", check_escapes);
}
