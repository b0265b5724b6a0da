//! One folder of snapshots: texts stored as plain files, which a test compares with what is printed now.
//!
//! With `ECHOCTL_BLESS` set (`cargo xtask bless`), differences are written to the files instead of failing the test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// One folder of snapshots. It contains exactly the files that its test checks.
pub(crate) struct Folder {
    path: PathBuf,
    checked: BTreeSet<String>,
    differences: Vec<String>,
}

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
        Folder { path, checked: BTreeSet::new(), differences: Vec::new() }
    }

    /// Whether the stored text of `name` is `text`.
    pub(crate) fn is_stored(&self, name: &str, text: &str) -> bool {
        fs::read_to_string(self.file(name)).is_ok_and(|stored| stored == text)
    }

    /// Whether no text of `name` is stored yet.
    pub(crate) fn is_new(&self, name: &str) -> bool {
        !self.file(name).exists()
    }

    /// Compares `text` with the stored text of `name`, or stores it.
    pub(crate) fn check(&mut self, name: &str, text: &str) {
        assert!(self.checked.insert(format!("{name}.txt")), "two snapshots have the name {name}");
        if self.is_stored(name, text) {
            return;
        }
        let file = self.file(name);
        if is_blessing() {
            fs::create_dir_all(&self.path).expect("the folder of the snapshots can be made");
            fs::write(&file, text).expect("a snapshot can be written");
        } else {
            let stored = fs::read_to_string(&file).unwrap_or_default();
            self.differences.push(format!("{}:\n{}", file.display(), difference(&stored, text)));
        }
    }

    /// Leaves the stored text of `name` as it is, where this system cannot print it.
    pub(crate) fn skip(&mut self, name: &str) {
        eprintln!("{}: not compared, since not all of it is visible here", self.file(name).display());
        self.checked.insert(format!("{name}.txt"));
    }

    /// Fails if a text differed, or if a stored file was not checked.
    pub(crate) fn finish(mut self) {
        let entries = fs::read_dir(&self.path).into_iter().flatten().map_while(Result::ok);
        for entry in entries.filter(|entry| entry.path().is_file()) {
            if self.checked.contains(&*entry.file_name().to_string_lossy()) {
                continue;
            }
            if is_blessing() {
                fs::remove_file(entry.path()).expect("a snapshot can be removed");
            } else {
                self.differences.push(format!("{}: nothing prints this any more", entry.path().display()));
            }
        }
        assert!(
            self.differences.is_empty(),
            "\n{}\n\nTo accept what the program prints now: cargo xtask bless\n",
            self.differences.join("\n\n")
        );
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.txt"))
    }
}

fn is_blessing() -> bool {
    env::var_os("ECHOCTL_BLESS").is_some()
}

/// The lines between the common beginning and the common end of two texts.
fn difference(stored: &str, text: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (stored.lines().collect(), text.lines().collect());
    let begin = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old_rest, new_rest) = (&old[begin..], &new[begin..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(old, new)| old == new).count();
    let removed = old_rest[..old_rest.len() - end].iter().map(|line| format!("- {line}\n"));
    let added = new_rest[..new_rest.len() - end].iter().map(|line| format!("+ {line}\n"));
    format!("from line {}\n{}", begin + 1, removed.chain(added).collect::<String>())
}
