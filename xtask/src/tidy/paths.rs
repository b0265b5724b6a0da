//! No file may contain a path that only exists on one machine, such as a home directory.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        for (number, line) in (1..).zip(file.text.lines()) {
            if let Some(path) = PATHS.iter().find(|path| has_path(line, path)) {
                let what = format!("`{path}` is a path of one machine");
                let remedy =
                    "use a path relative to the root of the workspace, or take it from the environment";
                findings.push(Finding::new(&file.path, number, what, remedy));
            }
        }
    }
    findings
}

/// Whether `path` starts an absolute path in `line`: nothing before it belongs to it (unlike in `https://host/home/`).
fn has_path(line: &str, path: &str) -> bool {
    let is_longer = |c: char| c.is_alphanumeric() || "._-/~}".contains(c);
    line.match_indices(path).any(|(at, _)| !line[..at].chars().next_back().is_some_and(is_longer))
}

// Concatenated here, so that this file passes its own rule.
const PATHS: [&str; 4] =
    [concat!("/", "work/"), concat!("/", "home/"), concat!("/", "root/"), concat!("/", "Users/")];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn paths_of_one_machine_are_found_in_any_file() {
        let script = format!("#!/bin/sh\ncd {}/echoctl\n", concat!("/", "home/me"));
        let note = format!("see `{}`", concat!("/", "work/notes"));
        let files = [("run.sh", script.as_str()), ("README.md", &note)];

        assert_eq!(places(check, &files), ["run.sh:2", "README.md:1"]);
    }

    #[test]
    fn relative_paths_and_addresses_are_not() {
        let text = "../work/x, src/home/y, https://example.org/home/z, $HOME/root/";

        assert!(places(check, &[("README.md", text)]).is_empty());
    }
}
