//! The program that is shipped: a release build that contains its C library, so that one file runs on every Linux of its architecture,
//! and in an image that has nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::process;

/// The target of the toolchain's own system.
pub(super) fn target() -> Result<String> {
    let version = process::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}

/// Builds the program and returns its path.
pub(super) fn build(target: &str) -> Result<PathBuf> {
    let flags = format!("{} -Ctarget-feature=+crt-static", env::var("RUSTFLAGS").unwrap_or_default());
    // With `--target`, the flags do not apply to macros and build scripts, which have to be loaded.
    let arguments = ["build", "--locked", "--release", "--package", "echoctl", "--target", target];
    process::run(process::cargo(&arguments).env("RUSTFLAGS", flags.trim()))?;

    let folder = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let name = format!("echoctl{}", env::consts::EXE_SUFFIX);
    let program = process::root().join(folder).join(target).join("release").join(name);
    if cfg!(target_os = "linux") {
        require_static(&program)?;
    }
    Ok(program)
}

/// An error if the program needs a dynamic loader.
pub(super) fn require_static(program: &Path) -> Result<()> {
    let bytes = fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    match has_interpreter(&bytes) {
        Some(false) => Ok(()),
        Some(true) => bail!(
            "{} is not static: it needs a dynamic loader\nhint: without --binary, a static program is built",
            program.display()
        ),
        None => bail!("{} is not a 64-bit program of this system", program.display()),
    }
}

/// Whether a 64-bit little-endian ELF file names a dynamic loader; nothing if it is not one.
fn has_interpreter(elf: &[u8]) -> Option<bool> {
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = elf.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    let (table, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
    let mut kinds = (0..count).map(|index| number(table.checked_add(index * size)?, 4));
    kinds.try_fold(false, |found, kind| Some(found || kind? == PT_INTERP))
}

/// The type of the segment with the loader's path, of elf(5).
const PT_INTERP: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file of two segments of these types.
    fn elf(kinds: [u8; 2]) -> Vec<u8> {
        let mut file = vec![0; 64 + 2 * 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (file[0x20], file[0x36], file[0x38]) = (64, 56, 2);
        (file[64], file[64 + 56]) = (kinds[0], kinds[1]);
        file
    }

    #[test]
    fn a_program_with_a_loader_is_not_static() {
        assert_eq!(has_interpreter(&elf([6, 3])), Some(true));
        assert_eq!(has_interpreter(&elf([6, 1])), Some(false));
    }

    #[test]
    fn what_is_no_whole_program_has_no_answer() {
        assert_eq!(has_interpreter(b"#!/bin/sh\n"), None);
        assert_eq!(has_interpreter(&elf([6, 1])[..100]), None);
    }

    #[test]
    #[cfg(all(target_os = "linux", not(target_feature = "crt-static")))]
    fn this_test_is_not_static() {
        let own = env::current_exe().unwrap();

        assert!(require_static(&own).unwrap_err().to_string().contains("dynamic loader"));
    }
}
