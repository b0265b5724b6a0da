//! Written files are complete or unchanged, and results are printed even if a file cannot be written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::case::{Case, case, quick};
use super::kit::{Findings, Host, World, sys, within};

pub(super) const CASES: &[Case] = &[
    quick("a-failed-start-leaves-the-old-file", old_files),
    quick("a-full-device-only-loses-the-file", full_device),
    case("a-full-disk-leaves-the-old-file", full_disk),
    case("unwritable-directories-are-reported-first", unwritable),
    case("links-and-permissions-stay", links),
    case("a-file-is-not-written-twice", same_file),
    case("a-device-or-a-pipe-may-be-a-record", devices),
];

/// The old content of a file: not empty, and different from anything that a run writes.
const OLD: &str = "{\"old\": true}\n";

fn old_files(world: &World) -> Result<()> {
    let mut findings = Findings::default();
    for command in [
        &["flood", "127.0.0.1:9", "--record", "F"][..],
        &["flood", "127.0.0.1:9", "--report", "F"],
        &["flood", "192.0.2.1:9", "--record", "F"],
        &["flood", "no-such-host.invalid:9", "--record", "F"],
        &["flood", "127.0.0.1:9", "--record", "F", "--pid", "4194303"],
        &["watch", "127.0.0.1:9", "--record", "F", "--for", "50ms"],
        &["watch", "127.0.0.1:9", "--report", "F", "--for", "50ms"],
        &["audit", "127.0.0.1:9", "--record", "F"],
        &["audit", "127.0.0.1:9", "--report", "F"],
        &["audit", "127.0.0.1:9", "--junit", "F"],
        &["audit", "192.0.2.1:9", "--junit", "F"],
        &["audit", "192.0.2.1:9", "--sarif", "F"],
        &["audit", "--junit", "F", "--", "/no/such/command"],
        &["audit", "--junit", "F", "--", "false"],
        &["audit", "--sarif", "F", "--", "false"],
        &["audit", "--record", "F", "--ready-timeout", "300ms", "--", "sleep", "9"],
        &["audit", "127.0.0.1:9", "--script", "missing.toml", "--junit", "F"],
        &["report", "missing.json", "-o", "F"],
        &["report", "missing.json", "--svg", "F"],
        &["report", "missing.json", "--csv", "F"],
        &["report", "F", "-o", "F"],
        &["compare", "missing.json", "missing.json", "-o", "F"],
        &["lesson", "stream", "--predict", "Z", "--report", "F"],
    ] {
        world.file("F", OLD)?;
        let ended = world.echoctl(command).run(SOON)?;
        let now = fs::read_to_string(world.path("F")).unwrap_or_default();
        let result = ended.with_code(&[1, 2, 3, 4]).and_then(|()| {
            // A result may replace the old content, for example JUnit or SARIF with an error. An empty or partial file may not.
            let is_whole = now == OLD
                || (command.contains(&"--junit") && now.contains("</testsuite"))
                || (command.contains(&"--sarif") && serde_json::from_str::<serde_json::Value>(&now).is_ok());
            ensure!(
                is_whole,
                "the file contains {:?} now: {ended}",
                now.chars().take(80).collect::<String>()
            );
            Ok(())
        });
        findings.add(command.join(" "), result);
    }
    findings.verdict()
}

fn full_device(world: &World) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let made = world.record()?;
    let record = world.file("run.json", made.to_string())?;
    let tries = [
        (&["flood", &addr, "--bytes", "64KiB", "--record", FULL][..], "came back"),
        (&["flood", &addr, "--bytes", "64KiB", "--report", FULL], "came back"),
        (&["flood", &addr, "--bytes", "64KiB", "--json", "--record", FULL], "\"summary\""),
        (&["watch", &addr, "--for", "100ms", "--plain", "--record", FULL], ""),
        (&["watch", &addr, "--for", "100ms", "--plain", "--report", FULL], ""),
        (&["audit", &addr, "--for", "1s", "--bytes", "4MiB", "--junit", FULL], "server:"),
        (&["audit", &addr, "--for", "1s", "--bytes", "4MiB", "--record", FULL], "server:"),
        (&["audit", &addr, "--for", "1s", "--bytes", "4MiB", "--report", FULL], "server:"),
        (&["audit", &addr, "--for", "1s", "--bytes", "4MiB", "--json", "--junit", FULL], "\"verdict\""),
        (&["demo", "--yes", "--small", "--report", FULL], "memory"),
        (&["lesson", "stream", "--yes", "--report", FULL], "stream"),
        (&["report", &record, "-o", FULL], ""),
        (&["report", &record, "--svg", FULL], ""),
        (&["compare", &record, &record, "-o", FULL], ""),
    ];
    let mut findings = Findings::default();
    findings.each(
        &tries,
        |(command, _)| command.join(" "),
        |(command, result)| {
            let ended = world.echoctl(command).run(SOON)?;
            ended.with_code(&[1])?;
            ended.has_any(&["no space", "full"])?;
            ended.has_any(&[FULL])?;
            let is_shown = String::from_utf8_lossy(&ended.out).to_lowercase().contains(result);
            ensure!(is_shown, "its result was not printed: {ended}");
            Ok(())
        },
    );
    findings.verdict()
}

/// A full disk, in a mount namespace of the case.
fn full_disk(world: &World) -> Result<()> {
    within(world, &Host::default(), || {
        let disk = world.path("disk");
        fs::create_dir(&disk)?;
        sys::mount(Path::new("tmpfs"), &disk, "tmpfs", 0, "size=64k").context("cannot mount a small disk")?;
        fs::write(disk.join("old"), OLD)?;
        // The rest of the disk, to the last page.
        let _ = fs::write(disk.join("rest"), vec![b'x'; 64 << 10]);
        let (_server, addr) = world.serve(&[])?;
        let old = disk.join("old").to_string_lossy().into_owned();
        let mut findings = Findings::default();
        for command in [
            &["flood", &addr, "--for", "500ms", "--plain", "--record", &old][..],
            &["flood", &addr, "--for", "500ms", "--plain", "--report", &old],
            &["audit", &addr, "--for", "1s", "--bytes", "4MiB", "--report", &old],
            &["watch", &addr, "--for", "500ms", "--plain", "--report", &old],
        ] {
            let ended = world.echoctl(command).run(SOON)?;
            let is_old = fs::read_to_string(&old).is_ok_and(|now| now == OLD);
            let result = ended.with_code(&[1]).and_then(|()| {
                ensure!(is_old, "the old file has changed: {ended}");
                let files = fs::read_dir(&disk)?.count();
                ensure!(files == 2, "{files} files, where two were: {ended}");
                Ok(())
            });
            findings.add(command.join(" "), result);
        }
        findings.verdict()
    })
}

fn unwritable(world: &World) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let mut findings = Findings::default();
    for file in ["/proc/run.json", "/no/such/folder/run.json", "/", "."] {
        for command in [
            &["flood", &addr, "--for", "20s", "--record", file][..],
            &["watch", &addr, "--for", "20s", "--record", file],
            &["audit", &addr, "--junit", file],
            &["audit", &addr, "--for", "20s", "--rate", "1MiB", "--record", file],
        ] {
            let ended = world.echoctl(command).run(SOON)?;
            let result = ended.with_code(&[1, 2]).and_then(|()| {
                // Before the run, not after its 20 s.
                ensure!(ended.took < Duration::from_secs(15), "reported only after {:?}", ended.took);
                ended.has_any(&[file])
            });
            findings.add(command.join(" "), result);
        }
    }
    findings.verdict()
}

fn links(world: &World) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let target = world.file("target.json", OLD)?;
    fs::set_permissions(&target, fs::Permissions::from_mode(0o600))?;
    symlink(&target, world.path("link.json"))?;
    let flood = |file: &str| world.echoctl(&["flood", &addr, "--bytes", "1KiB", "--plain", "--record", file]);
    flood("link.json").run(SOON)?.with_code(&[0])?;
    let is_link = fs::symlink_metadata(world.path("link.json"))?.file_type().is_symlink();
    ensure!(is_link, "the link was replaced by a file");
    ensure!(fs::read_to_string(&target)? != OLD, "the target of the link was not written");
    let mode = fs::metadata(&target)?.permissions().mode() & 0o777;
    ensure!(mode == 0o600, "a file that only its owner may read has mode {mode:o} now");

    symlink(world.path("new.json"), world.path("dangling.json"))?;
    flood("dangling.json").run(SOON)?.with_code(&[0, 1])?;
    symlink(world.path("loop.json"), world.path("loop.json"))?;
    flood("loop.json").run(SOON)?.with_code(&[1])?;
    let left: Vec<_> = fs::read_dir(world.folder())?.flatten().map(|entry| entry.file_name()).collect();
    ensure!(left.len() <= 6, "leftovers beside the files: {left:?}");
    Ok(())
}

/// One path for two outputs, or for input and output: refused, or at least not destroyed.
fn same_file(world: &World) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let record = world.record()?.to_string();
    let mut findings = Findings::default();
    for command in [
        &["flood", &addr, "--bytes", "1KiB", "--record", "F", "--report", "F"][..],
        &["watch", &addr, "--for", "50ms", "--record", "F", "--report", "./F"],
        &["audit", &addr, "--for", "1s", "--bytes", "4MiB", "--record", "F", "--junit", "F"],
        &["report", "F", "-o", "F"],
        &["report", "F", "--svg", "F", "--csv", "./F"],
        &["compare", "F", "F", "-o", "F"],
    ] {
        world.file("F", &record)?;
        let ended = world.echoctl(command).run(SOON)?;
        let is_whole = fs::read_to_string(world.path("F")).is_ok_and(|now| now == record);
        findings.add(
            command.join(" "),
            ended.with_code(&[1, 2]).and_then(|()| {
                ensure!(is_whole, "the file was overwritten: {ended}");
                Ok(())
            }),
        );
    }
    findings.verdict()
}

fn devices(world: &World) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    for file in ["/dev/null", "/dev/stdout", "/dev/stderr"] {
        let command = ["flood", &addr, "--bytes", "1KiB", "--plain", "--record", file];
        let ended = world.echoctl(&command).run(SOON)?;
        ended.with_code(&[0])?;
        if file != "/dev/null" {
            ended.has_any(&["\"samples\""])?;
        }
    }
    Ok(())
}

/// The device that is always full.
const FULL: &str = "/dev/full";

/// Maximum time for a command of some seconds, on a busy machine.
const SOON: Duration = Duration::from_secs(60);
