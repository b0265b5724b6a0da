//! A stranger must be able to open any file, read it once from top to bottom, and understand it.
//!
//! So it starts with module docs, and it has at most [`LONGEST`] lines of code. Comments and
//! blank lines are not counted: a limit must not make a file harder to read.

use super::Finding;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(|file| [module_docs(file), length(file)]).flatten().collect()
}

fn module_docs(file: &File) -> Option<Finding> {
    let first = file.text.lines().next().unwrap_or_default();
    let says_something = first.strip_prefix("//!").is_some_and(|words| !words.trim().is_empty());
    (!says_something).then(|| {
        let what = "the file does not start with module docs";
        let remedy = "start line 1 with `//! ` and one sentence that defines the thing";
        Finding::new(&file.path, 1, what, remedy)
    })
}

fn length(file: &File) -> Option<Finding> {
    if file.path.ends_with("/tests.rs") {
        return None;
    }
    let source = file.source();
    let mut code = source.lines().filter(|(_, line)| !line.trim().is_empty());
    let (number, _) = code.nth(LONGEST)?;
    let what = format!("{} lines of code exceed the limit of {LONGEST}", LONGEST + 1 + code.count());
    let remedy = "move the second noun to its own file, or long tests to a sibling `tests.rs`";
    Some(Finding::new(&file.path, number, what, remedy))
}

/// Lines of code in a file, short tests included: what a reader can remember at once. Tables of tests in a `tests.rs`
/// are looked up rather than read, and may be longer.
const LONGEST: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn a_file_without_module_docs_is_found() {
        let files = [
            ("crates/a/src/good.rs", "//! Says it.\n\nfn f() {}\n"),
            ("crates/a/src/late.rs", "use std::fmt;\n//! Too late.\n"),
            ("crates/a/src/mute.rs", "//!\n//! Line 1 says nothing.\n"),
            ("crates/a/src/none.rs", ""),
            ("crates/a/README.md", "no Rust"),
        ];

        assert_eq!(
            places(check, &files),
            ["crates/a/src/late.rs:1", "crates/a/src/mute.rs:1", "crates/a/src/none.rs:1"]
        );
    }

    #[test]
    fn a_file_of_301_lines_of_code_is_found() {
        let allowed = format!("//! Docs.\n\n{}// A comment.\n", "f();\n".repeat(LONGEST));
        let too_long = format!("{allowed}f();\nf();\n");
        let files = [
            ("crates/a/src/allowed.rs", allowed.as_str()),
            ("crates/a/src/tests.rs", &too_long),
            ("crates/a/src/too_long.rs", &too_long),
        ];

        assert_eq!(places(check, &files), ["crates/a/src/too_long.rs:304"]);
        assert!(check(&Tree::of(&files))[0].what.starts_with("302 lines"));
    }
}
