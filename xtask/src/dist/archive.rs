//! The archive, and the checksums of everything.

use std::process::Command;

use anyhow::Result;

use super::{Release, files, folder};
use crate::process;

/// Makes an archive of the files below a folder of its own name. On Linux it is the same, byte for byte, whenever it is made.
pub(super) fn make(release: &Release) -> Result<String> {
    if cfg!(windows) {
        // Windows has bsdtar, which knows zip.
        return pack(release, "zip", &["-acf"]);
    }
    if cfg!(not(target_os = "linux")) {
        return pack(release, "tar.gz", &["-czf"]);
    }
    let file = format!("{}.tar.gz", release.name());
    let names = format!("--transform=s,^[.],{},", release.name());
    // Without the name and the time of the archive.
    let mut tar = reproducible(release);
    tar.args([&names, "--use-compress-program=gzip -9n", "-cf"]).arg(folder().join(&file));
    process::run(tar.arg("-C").arg(files::folder()).arg("."))?;
    Ok(file)
}

/// GNU tar, with sorted names, without users, and with the time of the release.
pub(super) fn reproducible(release: &Release) -> Command {
    let mut tar = Command::new("tar");
    tar.args([
        "--sort=name",
        "--format=gnu",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mode=u=rwX,go=rX",
    ]);
    tar.arg(format!("--mtime=@{}", release.time));
    tar
}

/// Makes an archive with a tar that cannot rename: the folder has the name meanwhile.
fn pack(release: &Release, extension: &str, options: &[&str]) -> Result<String> {
    let name = release.name();
    let file = format!("{name}.{extension}");
    let named = folder().join(&name);
    super::remove(&named)?;
    std::fs::rename(files::folder(), &named)?;
    let result = process::run(
        Command::new("tar").args(options).arg(folder().join(&file)).arg("-C").arg(folder()).arg(&name),
    );
    std::fs::rename(&named, files::folder())?;
    result.map(|()| file)
}

/// Writes `dist/SHA256SUMS` of these files: `sha256sum --check SHA256SUMS`.
pub(super) fn write_checksums(names: &[String]) -> Result<()> {
    let mut command = Command::new("sha256sum");
    // Names without a folder, so that the list can be checked beside the files.
    let list = process::output_in(&folder(), command.arg("--").args(names))?;
    files::write(&folder().join("SHA256SUMS"), &list)
}
