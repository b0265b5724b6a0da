//! The text of the workspace: every file that a person wrote, read once.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result};

use super::source::Source;

/// The files of the workspace, sorted by path.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads all text files under `root`, except in [`SKIPPED`] directories.
    pub(super) fn read(root: &Path) -> Result<Tree> {
        let mut tree = Tree::default();
        tree.enter(root, "")?;
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// A tree of the given paths and texts.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Tree {
        let file = |&(path, text): &(&str, &str)| File::new(path.to_owned(), text.to_owned());
        Tree { files: files.iter().map(file).collect() }
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    #[cfg(test)]
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The files whose names end with `.rs`.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The manifests of the members: not the root's, and not those of other workspaces within the tree (`fuzz`).
    pub(super) fn members(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with("/Cargo.toml") && file.is_member())
    }

    fn enter(&mut self, directory: &Path, prefix: &str) -> Result<()> {
        let cannot = || format!("cannot read {}", directory.display());
        for entry in fs::read_dir(directory).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().with_context(cannot)?;
            // Directories, but for `.git`, which is a file in a linked worktree.
            if SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if kind.is_dir() {
                self.enter(&entry.path(), &format!("{path}/"))?;
            }
            // A file that was removed since it was listed, or is not UTF-8, is not text written by a person.
            if kind.is_file()
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                self.files.push(File::new(path, text));
            }
        }
        Ok(())
    }
}

/// One file of text.
#[derive(Debug)]
pub(super) struct File {
    /// From the root of the workspace, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    source: OnceLock<Source>,
}

impl File {
    fn new(path: String, text: String) -> File {
        File { path, text, source: OnceLock::new() }
    }

    /// Its text as Rust, which is taken apart once for all rules.
    pub(super) fn source(&self) -> &Source {
        self.source.get_or_init(|| Source::of(&self.text))
    }

    /// The member that contains it, by directory: `proto`, `xtask`. Empty for files at the root.
    pub(super) fn member(&self) -> &str {
        let path = self.path.strip_prefix("crates/").unwrap_or(&self.path);
        path.split_once('/').map_or("", |(member, _)| member)
    }

    /// Whether it belongs to a member of this workspace.
    pub(super) fn is_member(&self) -> bool {
        self.path.starts_with("crates/") || self.path.starts_with("xtask/")
    }

    /// Whether it contains only test code: a file in `tests/`, or a `tests.rs` beside the code.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// Directories without files written by hand: builds, git's own, and what fuzzing finds.
const SKIPPED: [&str; 5] = ["target", "dist", ".git", "corpus", "artifacts"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_know_their_member_and_whether_they_are_tests() {
        let tree = Tree::of(&[
            ("crates/proto/src/lib.rs", ""),
            ("crates/lab/src/lessons/tests.rs", ""),
            ("xtask/tests/tidy.rs", ""),
            ("fuzz/Cargo.toml", ""),
            ("README.md", ""),
        ]);
        let facts: Vec<_> = tree.files().iter().map(|f| (f.member(), f.is_member(), f.is_test())).collect();

        assert_eq!(
            facts,
            [
                ("proto", true, false),
                ("lab", true, true),
                ("xtask", true, true),
                ("fuzz", false, false),
                ("", false, false)
            ]
        );
    }
}
