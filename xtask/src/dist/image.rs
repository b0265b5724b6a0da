//! The image for containers, made by buildah from `contrib/container/Containerfile`: the program and its licences, and no system.

use std::process::Command;

use anyhow::Result;

use super::{Release, VERSION, archive, files, folder, program};
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
        // buildah's own archive has the time at which it is written.
        let layout = folder().join("image");
        process::run(buildah().args(["push", &name]).arg(format!("oci:{}:{name}", layout.display())))?;
        let mut tar = archive::reproducible(release);
        process::run(tar.arg("-cf").arg(folder().join(&file)).arg("-C").arg(&layout).args([
            "blobs",
            "index.json",
            "oci-layout",
        ]))
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
