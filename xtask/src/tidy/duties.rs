//! What only a few places may do. All other code returns data to them.
//!
//! - **Printing** is reserved for `echoctl` (and the developers' tools). A library that prints cannot be used for anything else. Its
//!   examples are programs, and may print. In `echoctl`, printing is reserved for [`EDGE`]: elsewhere, text from outside would not be made
//!   printable and would reach the terminal as it is.
//! - **`unsafe`** is reserved for the few small modules in [`UNSAFE`], each of which wraps kernel calls and justifies each
//!   block. The list makes a new one a decision, not an accident.

use super::Finding;
use super::source::has_word;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| file.is_member())
        .flat_map(|file| [printing(file), past_the_edge(file), unsafe_code(file)].concat())
        .collect()
}

fn printing(file: &File) -> Vec<Finding> {
    if PRINTERS.contains(&file.member()) || file.is_test() || file.path.contains("/examples/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in file.source().without_tests() {
        if let Some(word) = PRINTING.iter().find(|word| has_word(line, word)) {
            let what = format!("`{word}` in {}, a library", file.member());
            let remedy = "return data or call a callback; only echoctl prints";
            findings.push(Finding::new(&file.path, number, what, remedy));
        }
    }
    findings
}

fn past_the_edge(file: &File) -> Vec<Finding> {
    let is_edge = EDGE.iter().any(|module| file.path.starts_with(module));
    if is_edge || file.is_test() || !file.path.starts_with("crates/echoctl/src/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in file.source().without_tests() {
        // Any code may check whether a stream is a terminal.
        let asked = STREAMS
            .iter()
            .fold(line.to_owned(), |line, stream| line.replace(&format!("{stream}.is_terminal()"), ""));
        if let Some(word) = PRINTING.iter().chain(&STREAMS).find(|word| has_word(&asked, word)) {
            let what = format!("`{word}` outside the output modules of echoctl");
            let remedy = "print with output::say, output::note or output::Data, which make other people's text printable";
            findings.push(Finding::new(&file.path, number, what, remedy));
        }
    }
    findings
}

fn unsafe_code(file: &File) -> Vec<Finding> {
    let allowed = UNSAFE.iter().any(|module| file.path.starts_with(module));
    let text: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    for (number, line) in file.source().lines() {
        let code = has_word(line, "unsafe") || has_word(line, "allow(unsafe_code)");
        if code && !allowed {
            let what = "`unsafe` outside the modules that wrap kernel calls";
            let remedy =
                "use a safe wrapper (socket2, or ours); a new module is added to UNSAFE in duties.rs";
            findings.push(Finding::new(&file.path, number, what, remedy));
        }
        if has_word(line, "unsafe") && allowed && !is_argued(&text[..number - 1]) {
            let what = "an `unsafe` block without a `SAFETY:` comment";
            let remedy = "explain in a `// SAFETY:` comment right above it why it is sound";
            findings.push(Finding::new(&file.path, number, what, remedy));
        }
    }
    findings
}

/// Whether a `SAFETY:` comment ends right above, with at most the start of the same statement in between.
fn is_argued(above: &[&str]) -> bool {
    let near = above.iter().rev().map(|line| line.trim());
    near.skip_while(|line| !line.starts_with("//") && !line.is_empty() && !line.ends_with([';', '}']))
        .take_while(|line| line.starts_with("//"))
        .any(|line| line.contains("SAFETY:"))
}

const PRINTERS: [&str; 3] = ["echoctl", "bench", "xtask"];

const PRINTING: [&str; 5] = ["print!", "println!", "eprint!", "eprintln!", "dbg!"];

/// The streams of a process.
const STREAMS: [&str; 2] = ["stdout()", "stderr()"];

/// The modules of `echoctl` that write to its streams: the output, and what a signal or a panic still has to write.
const EDGE: [&str; 3] =
    ["crates/echoctl/src/output/", "crates/echoctl/src/terminal/interrupt.rs", "crates/echoctl/src/sys.rs"];

/// The modules that may contain `#![allow(unsafe_code)]`: a file, or a directory with all its files.
const UNSAFE: [&str; 10] = [
    "crates/audit/src/sys.rs",
    "crates/bench/src/bin/peer/splice.rs",
    "crates/bench/src/bin/peer/uring/",
    "crates/echoctl/src/sys.rs",
    "crates/echoctl/tests/program/pty/mod.rs",
    "crates/observe/src/sys/",
    "crates/observe/tests/mapping/",
    "crates/server/src/sys/",
    "crates/trial/src/spawn/sys.rs",
    "xtask/src/faults/kit/sys.rs",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn a_library_that_prints_is_found_and_its_tests_are_not() {
        let text =
            "//! println! is a word here.\nprintln!(\"x\");\n#[cfg(test)]\nmod tests {\n    println!();\n}\n";
        let files = [
            ("crates/lab/src/a.rs", text),
            ("crates/lab/tests/b.rs", text),
            ("crates/lab/examples/c.rs", text),
            ("crates/echoctl/src/output/mod.rs", text),
            ("xtask/src/main.rs", text),
        ];

        assert_eq!(places(check, &files), ["crates/lab/src/a.rs:2"]);
    }

    #[test]
    fn printing_past_the_edge_of_echoctl_is_found() {
        let text = "eprintln!(\"x\");\nlet a = io::stdout().is_terminal();\nio::stderr().lock();\n";
        let files = [
            ("crates/echoctl/src/commands/watch.rs", text),
            ("crates/echoctl/src/output/data.rs", text),
            ("crates/echoctl/tests/program/watch.rs", text),
        ];

        assert_eq!(
            places(check, &files),
            ["crates/echoctl/src/commands/watch.rs:1", "crates/echoctl/src/commands/watch.rs:3"]
        );
    }

    #[test]
    fn unsafe_outside_the_list_is_found() {
        let text = "//! No word of unsafe.\n#![allow(unsafe_code)]\nfn f() {\n    unsafe { g() }\n}\n";

        assert_eq!(
            places(check, &[("crates/lab/src/a.rs", text)]),
            ["crates/lab/src/a.rs:2", "crates/lab/src/a.rs:4"]
        );
    }

    #[test]
    fn an_argument_right_above_the_statement_counts() {
        assert!(is_argued(&["f();", "// SAFETY: the pointer is live,", "// and so on."]));
        assert!(is_argued(&["// SAFETY: as above.", "let x ="]));
        assert!(!is_argued(&["// SAFETY: of another block.", "f();"]));
        assert!(!is_argued(&["// Why not?"]));
        assert!(!is_argued(&[]));
    }
}
