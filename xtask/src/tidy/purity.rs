//! `proto` is sans-IO: the same bytes give the same frames, and nothing else has an influence.
//!
//! So its sources, tests included, use no runtime, socket, file, thread or clock, and its manifest has no such dependency.

use super::Finding;
use super::source::has_word;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("crates/proto/")) {
        for (number, line) in file.source().lines() {
            for (word, what) in FORBIDDEN.iter().filter(|(word, _)| has_word(line, word)) {
                let what = format!("`{word}` in proto, which must have no {what}");
                let remedy = "pass bytes and times as arguments; do the rest in server or client";
                findings.push(Finding::new(&file.path, number, what, remedy));
            }
        }
    }
    findings
}

const FORBIDDEN: [(&str, &str); 14] = [
    ("unsafe", "unsafe code"),
    ("tokio", "runtime"),
    ("async", "runtime"),
    ("std::net", "socket"),
    ("std::os", "operating system"),
    ("std::fs", "file"),
    ("std::io", "reader or writer"),
    ("std::env", "environment"),
    ("std::process", "process"),
    ("std::thread", "thread"),
    ("Instant::now", "clock"),
    ("SystemTime", "clock"),
    ("UNIX_EPOCH", "clock"),
    ("elapsed", "clock"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn a_socket_a_clock_and_unsafe_are_found_in_proto() {
        let text = "use std::net::TcpStream;\nlet now = Instant::now();\nunsafe { f() }\n";

        assert_eq!(
            places(check, &[("crates/proto/src/x.rs", text)]),
            ["crates/proto/src/x.rs:1", "crates/proto/src/x.rs:2", "crates/proto/src/x.rs:3"]
        );
        assert!(places(check, &[("crates/server/src/x.rs", text)]).is_empty());
    }

    #[test]
    fn comments_may_name_them() {
        let text = "//! No tokio, no unsafe.\nlet why = \"std::net\";\n#![forbid(unsafe_code)]\n";

        assert!(places(check, &[("crates/proto/src/x.rs", text)]).is_empty());
    }
}
