//! Paths in texts lead to files of the workspace.
//!
//! No file contains a path that only exists on one machine, such as a home directory. Links in Markdown lead to files that exist, and so do
//! the paths in backticks of [`MAPS`], where a crate's name stands for its folder.

use super::Finding;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    [of_one_machine(tree), missing(tree)].concat()
}

fn of_one_machine(tree: &Tree) -> Vec<Finding> {
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

fn missing(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().iter().filter(|file| file.path.ends_with(".md")) {
        let is_map = MAPS.contains(&file.path.as_str());
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (number, line) in (1..).zip(file.text.lines()) {
            let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
            let links =
                links.filter(|link| !link.is_empty() && !link.contains(':')).map(|link| joined(folder, link));
            let spans = line.split('`').skip(1).step_by(2).filter(|span| is_map && is_path(tree, span));
            for path in links.chain(spans.map(str::to_owned)).filter(|path| !exists(tree, path)) {
                let what = format!("`{path}` does not exist");
                findings.push(Finding::new(&file.path, number, what, "name the file where it is now"));
            }
        }
    }
    findings
}

/// The documents that say where things are.
const MAPS: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];

/// Whether a text in backticks is a path, from the root or from `crates/`, and not one with a part to fill in, such as `NAME`.
fn is_path(tree: &Tree, span: &str) -> bool {
    let to_fill_in = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_uppercase());
    let is_plain =
        !span.split('/').any(to_fill_in) && span.chars().all(|c| c.is_alphanumeric() || "_-./".contains(c));
    let Some((top, _)) = span.split_once('/').filter(|(top, _)| is_plain && !top.is_empty()) else {
        return false;
    };
    span.ends_with(".rs") || exists(tree, top)
}

fn exists(tree: &Tree, path: &str) -> bool {
    let is_there = |path: &str| {
        let inside = format!("{}/", path.trim_end_matches('/'));
        tree.files().iter().any(|file| file.path == path || file.path.starts_with(&inside))
    };
    is_there(path) || is_there(&format!("crates/{path}"))
}

/// The path of a link in a file of `folder`.
pub(super) fn joined(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

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
    fn paths_and_links_to_nothing_are_found() {
        let map = "Look at `a/src/lib.rs`, `crates/a/src/`, `a/b`, `a/NAME/b`, `/a/b` and `x/y`, but not `x/z.rs`.\n`a/src/gone.rs` [b](docs/b.md#part)\n[c](docs/c.md)\n";
        let docs = "[up](../ARCHITECTURE.md) [web](https://example.org/x) [here](#here) `a/src/gone.rs`\n[b](docs/b.md)\n";
        let files = [("ARCHITECTURE.md", map), ("crates/a/src/lib.rs", ""), ("docs/b.md", docs)];

        assert_eq!(
            places(check, &files),
            [
                "ARCHITECTURE.md:1",
                "ARCHITECTURE.md:1",
                "ARCHITECTURE.md:2",
                "ARCHITECTURE.md:3",
                "docs/b.md:2"
            ]
        );
    }

    #[test]
    fn relative_paths_and_addresses_are_not() {
        let text = "../work/x, src/home/y, https://example.org/home/z, $HOME/root/";

        assert!(places(check, &[("README.md", text)]).is_empty());
    }
}
