//! The image for containers, made by buildah from `contrib/container/Containerfile`: the program and its licences, and no system.

use std::process::Command;

use anyhow::Result;

use super::{Release, VERSION, files, folder, program};
use crate::process;

pub(super) fn make(release: &Release) -> Result<String> {
    super::require("buildah", "apt-get install buildah")?;
    program::require_static(&release.program)?;
    let file = format!("{}.oci.tar", release.name());
    let name = format!("echoctl:{VERSION}");

    let mut build = buildah();
    build.args(["build", "--format=oci", "--layers=false", "--network=none", "--timestamp", &release.time]);
    build.args(["--file", "contrib/container/Containerfile", "--tag", &name]).arg(files::folder());
    let result = process::run(&mut build).and_then(|()| {
        // An archive of an earlier run would be added to.
        let archive = folder().join(&file);
        if archive.exists() {
            std::fs::remove_file(&archive)?;
        }
        process::run(buildah().args(["push", &name]).arg(format!("oci-archive:{}:{name}", archive.display())))
    });
    process::run(buildah().args(["rmi", "--all"]))?;
    result.map(|()| file)
}

/// buildah with a store of its own, which needs neither a file system of layers nor root.
fn buildah() -> Command {
    let store = folder().join("store");
    let mut command = Command::new("buildah");
    command
        .args(["--storage-driver=vfs", "--root"])
        .arg(store.join("root"))
        .arg("--runroot")
        .arg(store.join("run"));
    command
}
