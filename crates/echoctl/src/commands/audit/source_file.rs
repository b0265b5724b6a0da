//! The file of the repository that a result is about: code scanning shows an alert at a file, and accepts none without.
//!
//! An audit sees processes, not source code. The most plausible file is one that the server's command names (`node server.js`), then the script.

use std::path::{Path, PathBuf};

use super::args::Args;

/// Its path relative to the root of the repository, or else to the current folder, as a URI reference.
pub(super) fn uri(args: &Args) -> String {
    let folder = std::env::current_dir().and_then(std::fs::canonicalize).unwrap_or_default();
    let named = args.command.iter().map(Path::new).chain(args.stimulus.script());
    named.filter_map(|path| below(&folder, path)).next().unwrap_or_else(|| UNKNOWN.to_owned())
}

/// The URI of a file below the root of the repository that contains `folder`.
fn below(folder: &Path, path: &Path) -> Option<String> {
    let file = std::fs::canonicalize(folder.join(path)).ok().filter(|file| file.is_file())?;
    let inside = file.strip_prefix(root(folder)).ok()?;
    let parts: Vec<String> = inside.iter().map(|part| encoded(part.as_encoded_bytes())).collect();
    Some(parts.join("/"))
}

/// The closest folder with a repository in it, or `folder` itself.
fn root(folder: &Path) -> PathBuf {
    folder.ancestors().find(|parent| parent.join(".git").exists()).unwrap_or(folder).to_owned()
}

/// A part of a path, with all but letters, digits and `-._~` percent-encoded.
fn encoded(part: &[u8]) -> String {
    let mut text = String::new();
    for &byte in part {
        match byte {
            b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Where no file is known: a name, since an empty reference or a folder is refused.
const UNKNOWN: &str = "audited-server";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_from_the_root_of_its_repository() {
        let repository = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(repository.path()).unwrap();
        let folder = root.join("a b");
        std::fs::create_dir_all(root.join(".git")).unwrap();
        std::fs::create_dir_all(folder.join("lib")).unwrap();
        std::fs::write(folder.join("lib/ü:1.js"), "").unwrap();

        assert_eq!(below(&folder, Path::new("lib/ü:1.js")), Some("a%20b/lib/%C3%BC%3A1.js".to_owned()));
        assert_eq!(below(&folder, Path::new("./lib/../lib/ü:1.js")).unwrap(), "a%20b/lib/%C3%BC%3A1.js");
    }

    #[test]
    fn folders_and_files_elsewhere_are_not_named() {
        let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(here.path().join("lib")).unwrap();
        let other = elsewhere.path().join("server.js");
        std::fs::write(&other, "").unwrap();

        for path in [Path::new("lib"), Path::new("missing.js"), &other, Path::new("")] {
            assert_eq!(below(here.path(), path), None, "{}", path.display());
        }
    }
}
