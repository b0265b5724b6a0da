//! Names with several addresses, hosts with only one family, and sockets that connect to themselves.
//!
//! Hosts of another kind are network namespaces of the case's own thread.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use socket2::SockRef;

use super::case::{Case, case, quick};
use super::kit::{Ended, Findings, Host, World, within};

pub(super) const CASES: &[Case] = &[
    quick("localhost-is-v6-first", |world| named(world, "::1 localhost\n127.0.0.1 localhost\n")),
    case("localhost-is-v4-first", |world| named(world, "127.0.0.1 localhost\n::1 localhost\n")),
    case("localhost-is-v6-only", |world| named_v6(world, "::1 localhost\n")),
    case("an-error-names-every-address", every_address),
    quick("v6-only-every-command", |world| {
        one_family(world, &Host { without_v4: true, ..Host::default() }, "[::1]")
    }),
    case("v4-only-every-command", |world| {
        one_family(world, &Host { without_v6: true, ..Host::default() }, "127.0.0.1")
    }),
    case("v6-only-lessons", |world| lessons(world, &Host { without_v4: true, ..Host::default() })),
    case("v4-only-lessons", |world| lessons(world, &Host { without_v6: true, ..Host::default() })),
    case("no-loopback-at-all", |world| {
        no_loopback(world, &Host { without_v4: true, without_v6: true, ..Host::default() })
    }),
    quick("no-connection-to-itself", itself),
    quick("urgent-data-does-not-stop-an-echo", urgent),
];

/// Servers at either loopback address are reached under a name with both.
fn named(world: &World, hosts: &'static str) -> Result<()> {
    within(world, &Host { hosts: Some(hosts), ..Host::default() }, || {
        let mut findings = Findings::default();
        for at in ["127.0.0.1:0", "[::1]:0"] {
            findings.add(format!("a server at {at}"), reached(world, at));
        }
        findings.verdict()
    })
}

fn named_v6(world: &World, hosts: &'static str) -> Result<()> {
    within(world, &Host { hosts: Some(hosts), ..Host::default() }, || reached(world, "[::1]:0"))
}

/// Every client reaches a server at `at` under the name `localhost`.
fn reached(world: &World, at: &str) -> Result<()> {
    let (_server, addr) = world.started(world.echoctl(&["serve", "--addr", at]))?;
    let port = addr.rsplit(':').next().unwrap_or_default();
    let name = format!("localhost:{port}");
    world.echoctl(&["ping", &name, "--count", "1"]).run(SOON)?.with_code(&[0])?;
    world.echoctl(&["flood", &name, "--bytes", "64KiB", "--plain"]).run(SOON)?.with_code(&[0])?;
    world.echoctl(&["send", &name]).run(SOON)?.with_code(&[0])?;
    world.echoctl(&["watch", &name, "--for", "100ms", "--plain"]).run(SOON)?.with_code(&[0])?;
    world.echoctl(&["audit", &name, "--for", "1s", "--bytes", "8MiB"]).run(SOON)?.with_code(&[0, 3])
}

fn every_address(world: &World) -> Result<()> {
    within(world, &Host { hosts: Some("::1 localhost\n127.0.0.1 localhost\n"), ..Host::default() }, || {
        let mut findings = Findings::default();
        for command in [&["ping", "localhost:9"][..], &["flood", "localhost:9"], &["send", "localhost:9"]] {
            let ended = world.echoctl(command).run(SOON)?;
            let both = ended.with_code(&[4]).and(ended.has_any(&["127.0.0.1"])).and(ended.has_any(&["::1"]));
            findings.add(command[0], both);
        }
        findings.verdict()
    })
}

/// Commands that need a loopback address use the one that exists.
fn one_family(world: &World, host: &Host, loopback: &str) -> Result<()> {
    within(world, host, || {
        let mut findings = Findings::default();
        findings.add("clients", clients(world, loopback));
        let demo = ["demo", "--yes", "--small", "--no-report"];
        findings.add("demo", world.echoctl(&demo).run(MINUTE).and_then(|ended| shown(&ended)));
        findings.add("doctor", world.echoctl(&["doctor"]).run(MINUTE)?.with_code(&[0, 3]));
        let bin = world.bin.to_string_lossy();
        let at = format!("{loopback}:{{port}}");
        let audit = ["audit", "--for", "1s", "--bytes", "8MiB", "--", &bin, "serve", "--addr", &at];
        findings.add("audit", world.echoctl(&audit).run(MINUTE)?.with_code(&[0, 3]));
        findings.verdict()
    })
}

/// A demo that ran to its end. On a busy machine, its measurement may differ from what it should show; then it says so.
fn shown(ended: &Ended) -> Result<()> {
    ended.with_code(&[0, 1, 3])?;
    ensure!(ended.printed().contains("done"), "it did not run to its end: {ended}");
    Ok(())
}

fn clients(world: &World, loopback: &str) -> Result<()> {
    let (_server, addr) = world.started(world.echoctl(&["serve", "--addr", &format!("{loopback}:0")]))?;
    world.echoctl(&["ping", &addr, "--count", "1"]).run(SOON)?.with_code(&[0])?;
    world.echoctl(&["flood", &addr, "--bytes", "64KiB", "--plain"]).run(SOON)?.with_code(&[0])?;
    world.echoctl(&["send", &addr]).run(SOON)?.with_code(&[0])?;
    world.echoctl(&["watch", &addr, "--for", "100ms", "--plain"]).run(SOON)?.with_code(&[0])
}

fn lessons(world: &World, host: &Host) -> Result<()> {
    within(world, host, || {
        let mut findings = Findings::default();
        for lesson in LESSONS {
            let ended = world.echoctl(&["lesson", lesson, "--yes"]).run(MINUTE)?;
            findings.add(lesson, ended.with_code(&[0, 3]));
        }
        findings.verdict()
    })
}

fn no_loopback(world: &World, host: &Host) -> Result<()> {
    within(world, host, || {
        let mut findings = Findings::default();
        for command in [
            &["demo", "--yes", "--small", "--no-report"][..],
            &["doctor"],
            &["lesson", "stream", "--yes"],
            &["lesson", "dns", "--yes"],
            &["audit", "--ready-timeout", "2s", "--", "sleep", "5"],
            &["serve"],
            &["dns"],
            &["ping"],
        ] {
            let ended = world.echoctl(command).run(MINUTE)?;
            let is_failure = ended.in_order().and_then(|()| {
                ensure!(ended.code.is_some_and(|code| code != 0), "it must fail: {ended}");
                Ok(())
            });
            findings.add(command.join(" "), is_failure);
        }
        findings.verdict()
    })
}

/// A client whose kernel chooses the very port that it connects to would connect to itself.
fn itself(world: &World) -> Result<()> {
    within(world, &Host { ports: Some((40_000, 40_001)), ..Host::default() }, || {
        let mut findings = Findings::default();
        for command in [
            &["ping", "127.0.0.1:40000", "--count", "1"][..],
            &["flood", "127.0.0.1:40000", "--bytes", "1KiB"],
            &["send", "127.0.0.1:40000"],
            &["audit", "127.0.0.1:40000", "--for", "1s"],
            &["ping", "[::1]:40001", "--count", "1"],
        ] {
            // The kernel chooses one of the two ports: some of these tries connect to themselves.
            for _ in 0..4 {
                let ended = world.echoctl(command).stdin(line_of_input(world)?).run(SOON)?;
                findings.add(command.join(" "), ended.with_code(&[4]));
            }
        }
        findings.verdict()
    })
}

fn line_of_input(world: &World) -> Result<std::fs::File> {
    let file = world.file("input", "hello\n")?;
    std::fs::File::open(file).context("cannot open the new input")
}

fn urgent(world: &World) -> Result<()> {
    let mut findings = Findings::default();
    for io in ["tasks", "threads", "one-thread", "uring"] {
        let (_server, addr) = world.serve(&["--io", io])?;
        // The position of the mark among the server's reads varies, so there are several tries.
        let result = (0..20).try_for_each(|_| urgent_echo(&addr));
        findings.add(format!("--io {io}"), result);
    }
    findings.verdict()
}

fn urgent_echo(addr: &str) -> Result<()> {
    let mut client = TcpStream::connect(addr)?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(ANSWER))?;
    client.write_all(b"before\n")?;
    SockRef::from(&client).send_out_of_band(b"!")?;
    client.write_all(b"behind\n")?;
    let mut echoed = Vec::new();
    let mut piece = [0; 64];
    while !String::from_utf8_lossy(&echoed).ends_with("behind\n") {
        let length = client.read(&mut piece).with_context(|| {
            format!("after {} s only {:?} had come back", ANSWER.as_secs(), String::from_utf8_lossy(&echoed))
        })?;
        ensure!(length > 0, "it closed the connection after {:?}", String::from_utf8_lossy(&echoed));
        echoed.extend_from_slice(&piece[..length]);
    }
    Ok(())
}

const LESSONS: [&str; 15] = [
    "stream",
    "framing",
    "dns",
    "handshake",
    "sockets",
    "duplex",
    "half-close",
    "write",
    "flow-control",
    "send-buffer",
    "backpressure",
    "pause",
    "race",
    "buffer",
    "unbounded",
];

/// Maximum time for an echo on a busy machine.
const ANSWER: Duration = Duration::from_secs(8);

/// Maximum time for a command of a second or less, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// Maximum time for a command of some seconds, on a busy machine.
const MINUTE: Duration = Duration::from_secs(90);
