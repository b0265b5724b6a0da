//! The Debian package, made by `cargo deb`. What it contains is in the manifest of `echoctl`.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Release, VERSION, files, folder};
use crate::process;

pub(super) fn make(release: &Release) -> Result<String> {
    super::require("cargo-deb", "cargo install --locked cargo-deb")?;
    super::require("dpkg-shlibdeps", "apt-get install dpkg-dev")?;
    files::write(&folder().join("debian-changelog"), &changelog(release)?)?;

    let file = format!("echoctl_{VERSION}-1_{}.deb", architecture());
    let arguments = ["deb", "--locked", "--no-build", "--no-strip", "--package", "echoctl", "--output"];
    // The convention of <https://reproducible-builds.org>.
    let mut deb = process::cargo(&arguments);
    process::run(deb.arg(folder().join(&file)).env("SOURCE_DATE_EPOCH", &release.time))?;
    Ok(file)
}

/// The log of the package, not of the program, in Debian's form.
fn changelog(release: &Release) -> Result<String> {
    let date = process::output(
        Command::new("date").args(["--utc", "--rfc-email", "--date"]).arg(format!("@{}", release.time)),
    )?;
    Ok(format!(
        "echoctl ({VERSION}-1) unstable; urgency=medium\n\n  * Release of echoctl {VERSION}: its changes are in changelog.gz.\n\n -- {}  {date}",
        maintainer()?
    ))
}

/// The one in the manifest.
fn maintainer() -> Result<&'static str> {
    let mut lines = include_str!("../../../crates/echoctl/Cargo.toml").lines();
    let maintainer = lines.find_map(|line| line.strip_prefix("maintainer = "));
    maintainer.map(|text| text.trim_matches('"')).context("the manifest of echoctl names no maintainer")
}

/// Debian's name of this architecture.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
