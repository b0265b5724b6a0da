//! `cargo xtask tidy`: checks the house rules that a program can check. Each finding names the file, the line and the remedy.
//!
//! A rule is a function from a [`Tree`] (the text of the workspace, read once) to findings, so that its tests need only a few
//! lines of text. The rules about code use a [`Source`](source::Source), in which comments and string literals are
//! blank: a rule against `unsafe` must not find the word in a sentence.
//!
//! | file | rule |
//! |---|---|
//! | `docs.rs` | a file starts with module docs, and has at most 300 lines of code |
//! | `arrows.rs` | which crate may depend on which; versions and lints are declared only in the root manifest |
//! | `purity.rs` | `proto` has no runtime, socket, file, clock or `unsafe` |
//! | `duties.rs` | `unsafe` and printing only in the places reserved for them |
//! | `rooms.rs` | flags only in `echoctl`, the kernel only in `observe`, verdicts only in `verdict` |
//! | `api.rs` | every exported name has a user outside, every public error has a type |
//! | `json.rs` | names in JSON are snake_case |
//! | `paths.rs` | no path of one machine; links, and the paths of ARCHITECTURE.md, lead to files |
//! | `book.rs` | the pages of `docs/` are in its summary, and links to parts lead to headings |
//! | `dialect.rs` | no phrase that an English reader stumbles over, in comments, literals, docs and manifests |
//! | `names.rs` | a name of at most 60 characters for each test |

mod api;
mod arrows;
mod book;
mod dialect;
mod docs;
mod duties;
mod json;
mod names;
mod paths;
mod purity;
mod rooms;
mod source;
mod text;
mod tree;

use std::{fmt, thread};

use anyhow::{Result, bail};

use crate::process;
use tree::Tree;

pub(crate) fn run() -> Result<()> {
    let tree = Tree::read(process::root())?;
    let findings: Vec<Finding> = thread::scope(|scope| {
        let rules = RULES.map(|rule| {
            let tree = &tree;
            scope.spawn(move || rule(tree))
        });
        rules.into_iter().flat_map(|rule| rule.join().expect("no rule panics")).collect()
    });
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: {} files, no findings", tree.files().len());
            Ok(())
        }
        1 => bail!("1 finding"),
        many => bail!("{many} findings"),
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [Rule; 11] = [
    docs::check,
    arrows::check,
    purity::check,
    duties::check,
    rooms::check,
    api::check,
    json::check,
    paths::check,
    book::check,
    dialect::check,
    names::check,
];

/// A violation of a house rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// From the root of the workspace, with `/`.
    file: String,
    /// Counted from 1.
    line: usize,
    what: String,
    remedy: String,
}

impl Finding {
    fn new(file: &str, line: usize, what: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { file: file.to_owned(), line, what: what.into(), remedy: remedy.into() }
    }
}

/// In the format of compilers, so that editors can jump to it.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    remedy: {}", self.file, self.line, self.what, self.remedy)
    }
}

/// The places of a rule's findings in a tree of the given files, for the rules' tests.
#[cfg(test)]
fn places(rule: Rule, files: &[(&str, &str)]) -> Vec<String> {
    rule(&Tree::of(files)).iter().map(|finding| format!("{}:{}", finding.file, finding.line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_file_line_and_remedy() {
        let finding = Finding::new("crates/proto/src/lib.rs", 7, "no docs", "write some");

        assert_eq!(finding.to_string(), "crates/proto/src/lib.rs:7: no docs\n    remedy: write some");
    }

    #[test]
    fn every_rule_has_files_to_check_in_this_workspace() {
        let tree = Tree::read(process::root()).unwrap();

        assert!(tree.file("crates/proto/src/lib.rs").is_some());
        assert!(tree.file("crates/proto/Cargo.toml").is_some());
        assert!(tree.file("xtask/src/tidy/mod.rs").is_some());
        assert!(tree.files().iter().all(|file| !file.path.starts_with("target/")));
    }
}
