//! The licences of everything that the program contains: every crate, Rust's standard library and, in a static program, the C library.
//!
//! They are the files of the very sources that were compiled, word for word: their texts demand that their copyright lines go with them, which
//! no list of licence names has. A part without a text is an error. `cargo deny` checks that we may use them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Release, files, program};
use crate::process;

/// Writes them beside the other files.
pub(super) fn write(release: &Release) -> Result<()> {
    files::write(&files::folder().join("THIRD-PARTY.txt"), &crates(&release.target)?)?;

    let html = files::folder().join("THIRD-PARTY-rust.html");
    fs::copy(of_standard_library()?, html).context("cannot copy the licences of Rust's standard library")?;
    if release.target.ends_with("linux-gnu") && program::require_static(&release.program).is_ok() {
        files::write(&files::folder().join("THIRD-PARTY-glibc.txt"), &of_c_library()?)?;
    }
    Ok(())
}

/// The licences of all crates in the program: a list by name, then each text with the crates that have it.
fn crates(target: &str) -> Result<String> {
    let json = process::output(&mut process::cargo(&["metadata", "--locked", "--format-version", "1"]))?;
    let metadata: Value =
        serde_json::from_str(&json).context("cannot read the output of `cargo metadata`")?;
    let packages = metadata["packages"].as_array().context("`cargo metadata` lists no packages")?;
    let contained = contained(target)?;

    let mut list = String::from(INTRODUCTION);
    let mut owners: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        let of = |key: &str| package[key].as_str().unwrap_or_default();
        let title = format!("{} v{}", of("name"), of("version"));
        // Those of this repository are under its own licences.
        if package["source"].is_null() || !contained.contains(&title) {
            continue;
        }
        writeln!(list, "{title}: {}  {}", of("license"), of("repository"))?;
        let folder = Path::new(of("manifest_path")).parent().context("a manifest has no folder")?;
        let texts = texts(folder).with_context(|| format!("cannot find the licence of {title}"))?;
        for (name, text) in texts {
            owners.entry(text).or_default().push(format!("{title}, {name}"));
        }
    }
    let mut texts: Vec<_> = owners.into_iter().map(|(text, owners)| (owners, text)).collect();
    texts.sort();
    for (owners, text) in texts {
        write!(list, "\n{LINE}\n{}\n{LINE}\n\n{text}\n", owners.join("\n"))?;
    }
    Ok(list)
}

const INTRODUCTION: &str = "\
The program echoctl contains the following libraries, each under the licence that follows its name, with their texts below. A library that
offers several licences is used under one that permits the terms of echoctl: MIT or Apache-2.0. Rust's standard library
(THIRD-PARTY-rust.html) and, in a static program of Linux, the C library (THIRD-PARTY-glibc.txt) are part of the program, too.

";

const LINE: &str = "================================================================================";

/// `name vVERSION` of each crate that is linked into the program.
fn contained(target: &str) -> Result<BTreeSet<String>> {
    let arguments = ["tree", "--locked", "--package", "echoctl", "--edges", "normal", "--prefix", "none"];
    let tree = process::output(process::cargo(&arguments).args(["--target", target, "--format", "{p}"]))?;
    Ok(tree.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect())
}

/// Names and texts of the licences in the source of a crate, also those of code that it includes.
fn texts(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    find(folder, &mut files)?;
    let mut texts = Vec::new();
    for file in &files {
        let name = file.strip_prefix(folder).unwrap_or(file).display().to_string();
        texts.push((name, read(file)?));
    }
    if texts.is_empty() {
        // Some crates have it only at the head of their source.
        let source = read(&folder.join("src/lib.rs"))?;
        let head = head(&source)
            .context("no file is called LICENSE, COPYING or NOTICE, and src/lib.rs begins with none")?;
        texts.push(("src/lib.rs".to_owned(), head.to_owned()));
    }
    Ok(texts)
}

/// Adds the files below `folder` that are named as licences are.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), found)?;
        } else if is_licence(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn is_licence(name: &str) -> bool {
    let name = name.to_uppercase();
    !name.ends_with(".RS")
        && ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"]
            .iter()
            .any(|word| name.starts_with(word))
}

/// The comment at the head of a source file, if it is a licence.
fn head(source: &str) -> Option<&str> {
    let comment = source.trim_start().strip_prefix("/*")?.split_once("*/")?.0;
    comment.contains("Permission is hereby granted").then(|| comment.trim())
}

/// The page of the toolchain about its standard library.
fn of_standard_library() -> Result<PathBuf> {
    let root = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let page = Path::new(root.trim()).join("share/doc/rust/COPYRIGHT-library.html");
    if !page.exists() {
        bail!(
            "cannot find the licences of Rust's standard library at {}\nhint: install the toolchain with rustup",
            page.display()
        );
    }
    Ok(page)
}

/// The notices and the licence of glibc.
fn of_c_library() -> Result<String> {
    let mut text = String::from(GLIBC);
    for places in GLIBC_PLACES {
        let place = places.iter().map(Path::new).find(|place| place.exists());
        let place = place.with_context(|| {
            format!(
                "cannot find the licence of glibc at {}\nhint: install the documentation of glibc",
                places.join(" or ")
            )
        })?;
        write!(text, "\n{LINE}\n\n{}\n", read(place)?)?;
    }
    Ok(text)
}

/// What the licence of a library inside a program demands: a notice, its text, and that the program can be linked with another version.
const GLIBC: &str = "\
The static program echoctl contains the GNU C Library (glibc), which is covered by the GNU Lesser General Public License, version 2.1 or later.
Its source is at https://sourceware.org/glibc/ and with the distribution that built it. To use another version of glibc, build echoctl from
its source, which is complete, on a system with that version: `cargo xtask dist`, or `cargo build --release` for a program that loads the
glibc of its system. The program also contains parts of libgcc, under the GCC Runtime Library Exception, which permits any terms.
";

/// The notices, then the licence, as Debian and Fedora have them.
const GLIBC_PLACES: [[&str; 2]; 2] = [
    ["/usr/share/doc/libc6-dev/copyright", "/usr/share/licenses/glibc/LICENSES"],
    ["/usr/share/common-licenses/LGPL-2.1", "/usr/share/licenses/glibc/COPYING.LIB"],
];

/// A text without differences in blank lines around it and in line ends.
fn read(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    Ok(text.trim_matches('\n').trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_recognized_by_their_names() {
        for name in ["LICENSE", "license-mit.txt", "LICENSE-BoringSSL", "COPYING", "NOTICE", "UNLICENSE"] {
            assert!(is_licence(name), "{name}");
        }
        for name in ["README.md", "license.rs", "lib.rs", "copy.c"] {
            assert!(!is_licence(name), "{name}");
        }
    }

    #[test]
    fn a_comment_at_the_head_counts_only_if_it_permits() {
        assert_eq!(
            head("/* Copyright me\nPermission is hereby granted */ fn f() {}"),
            Some("Copyright me\nPermission is hereby granted")
        );
        assert_eq!(head("/* Draws. */ fn f() {}"), None);
        assert_eq!(head("fn f() {} /* Permission is hereby granted */"), None);
    }

    #[test]
    fn the_licence_of_every_linked_crate_is_found() {
        let target = program::target().unwrap();
        let text = crates(&target).unwrap();

        // One that offers its licence in files, one that has it in its source, and one that includes other projects.
        for part in ["\nserde v1", "Project Nayuki", ", LICENSE-BoringSSL\n"] {
            assert!(text.contains(part), "no '{part}' in {} bytes", text.len());
        }
        assert!(!text.contains("\nproptest v"), "it is not in the program");
    }
}
