//! Names of tests: a name states what is true, in at most [`LONGEST`] characters. The reason belongs in a comment.

use super::Finding;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(long_names).collect()
}

fn long_names(file: &File) -> Vec<Finding> {
    let source = file.source();
    let names = source.lines().filter_map(|(number, line)| Some((number, function(line)?)));
    let long = names.filter(|(_, name)| name.len() > LONGEST);
    let finding = |(number, name): (usize, &str)| {
        let what = format!("the name `{name}` has {} characters", name.len());
        let remedy =
            format!("state only what is true, in at most {LONGEST} characters; move the reason to a comment");
        Finding::new(&file.path, number, what, remedy)
    };
    long.map(finding).collect()
}

/// The name of the function that is defined in a line.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let is_start = before.split_whitespace().all(|word| matches!(word, "pub" | "async" | "const" | "unsafe"));
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    is_start.then_some(&rest[..end])
}

/// Characters of a name: with its module, it fits on one line of a test report.
const LONGEST: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn a_name_of_61_characters_is_found() {
        let (allowed, long) = ("a".repeat(LONGEST), "a".repeat(LONGEST + 1));
        let text = format!("//! fn {long}\nfn {allowed}() {{}}\n    async fn {long}() {{}}\n");

        assert_eq!(places(check, &[("crates/a/src/a.rs", &text)]), ["crates/a/src/a.rs:3"]);
    }
}
