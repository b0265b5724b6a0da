//! The files that are shipped, gathered in `dist/files/` as they are in the archive. The Debian package names them in
//! `crates/echoctl/Cargo.toml`, the image in `contrib/container/Containerfile`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use super::{Release, licences};
use crate::process;

pub(super) fn gather(release: &Release) -> Result<()> {
    create(&folder().join("completions"))?;
    let program = folder().join(format!("echoctl{}", env::consts::EXE_SUFFIX));
    copy(&release.program, &program)?;
    for document in DOCUMENTS {
        copy(&process::root().join(document), &folder().join(document))?;
    }
    for documents in ["docs", "contrib"] {
        copy_all(&process::root().join(documents), &folder().join(documents))?;
    }

    process::run(Command::new(&program).args(["man", "--all"]).arg(folder().join("man")))?;
    for (shell, name) in COMPLETIONS {
        let script = process::output(Command::new(&program).args(["completions", shell]))?;
        write(&folder().join("completions").join(name), &script)?;
    }
    licences::write(release)
}

/// Where they are.
pub(super) fn folder() -> PathBuf {
    super::folder().join("files")
}

const DOCUMENTS: [&str; 5] = ["README.md", "CHANGELOG.md", "SECURITY.md", "LICENSE-MIT", "LICENSE-APACHE"];

/// Each shell, and the name under which it finds its script.
const COMPLETIONS: [(&str, &str); 5] = [
    ("bash", "echoctl"),
    ("elvish", "echoctl.elv"),
    ("fish", "echoctl.fish"),
    ("powershell", "echoctl.ps1"),
    ("zsh", "_echoctl"),
];

/// Writes a text file.
pub(super) fn write(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    create(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &to)?;
        } else {
            copy(&entry.path(), &to)?;
        }
    }
    Ok(())
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}
