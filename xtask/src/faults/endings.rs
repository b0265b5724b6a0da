//! Every command exits within its time and a grace period, whatever the server does; a server exits whatever its peers do.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::case::{Case, case, quick};
use super::kit::{Findings, Running, World, wait_until};

pub(super) const CASES: &[Case] = &[
    quick("flood-against-the-worst-servers", |world| {
        against(world, &["garbage", "drip", "silent", "backlog"], &[&["flood", "--for", "1s", "--plain"]])
    }),
    case("flood-against-hostile-servers", |world| {
        let floods: [&[&str]; 4] = [
            &["flood", "--for", "1s", "--plain"],
            &["flood", "--for", "1s", "--plain", "--framing", "u32", "--connections", "8"],
            &["flood", "--for", "1s", "--plain", "--no-read", "--then-read"],
            &["flood", "--bytes", "1MiB", "--read-rate", "64KiB", "--rate", "8MiB", "--json", "--for", "1s"],
        ];
        against(world, HOSTILE, &floods)
    }),
    quick("ping-against-the-worst-servers", |world| {
        against(world, &["garbage", "drip", "drip-back", "silent"], &[PING])
    }),
    case("ping-against-hostile-servers", |world| {
        let open_loop = &["ping", "--rate", "100", "--for", "1s", "--timeout", "1s", "--connections", "4"];
        against(
            world,
            HOSTILE,
            &[PING, open_loop, &["ping", "--count", "2", "--timeout", "1s", "--framing", "u16"]],
        )
    }),
    case("audit-against-hostile-servers", |world| {
        let websocket = &["audit", "--preset", "websocket:/", "--for", "2s", "--bytes", "32MiB"];
        let redis = &["audit", "--preset", "redis-subscribe:c", "--for", "2s", "--bytes", "32MiB"];
        against(world, HOSTILE, &[&["audit", "--for", "2s", "--bytes", "32MiB"], websocket, redis])
    }),
    case("watch-of-hostile-servers", |world| {
        against(world, HOSTILE, &[&["watch", "--for", "1s", "--plain"]])
    }),
    quick("send-ends-with-its-server", |world| {
        against(world, &["reset", "close", "reset-late"], &[&["send"], &["send", "--framing", "u16"]])
    }),
    case("send-is-ended-by-signals", |world| {
        let mut findings = Findings::default();
        findings.each(
            HOSTILE,
            |mode| (*mode).to_owned(),
            |mode| {
                let (_server, addr) = world.start_peer(mode, "0")?;
                ended_by(world.echoctl(&["send", &addr]).start()?, &[libc::SIGINT, libc::SIGINT], SECOND)
            },
        );
        findings.verdict()
    }),
    quick("serve-with-a-stalled-peer", |world| draining(world, &[[libc::SIGINT, libc::SIGINT]])),
    case("serve-with-a-stalled-peer-and-other-signals", |world| {
        draining(
            world,
            &[[libc::SIGTERM, libc::SIGTERM], [libc::SIGTERM, libc::SIGINT], [libc::SIGINT, libc::SIGTERM]],
        )
    }),
];

const PING: &[&str] = &["ping", "--count", "3", "--timeout", "1s"];

/// Servers that never do what a client expects.
const HOSTILE: &[&str] = &[
    "garbage",
    "lines",
    "drip",
    "drip-back",
    "silent",
    "swallow",
    "half-close",
    "half-close-late",
    "reset",
    "reset-late",
    "close",
    "flip",
    "double",
    "stuck",
    "huge",
    "evil",
    "backlog",
];

/// Runs each command against each server; all exit within [`GRACE`] after their time.
fn against(world: &World, modes: &[&str], commands: &[&[&str]]) -> Result<()> {
    let tries: Vec<_> =
        commands.iter().flat_map(|command| modes.iter().map(move |mode| (*command, *mode))).collect();
    let mut findings = Findings::default();
    findings.each(
        &tries,
        |(command, mode)| format!("{} against {mode}", command.join(" ")),
        |(command, mode)| {
            let (_server, addr) = world.start_peer(mode, "0")?;
            let launch = world.echoctl(&command[..1]).args(&[addr]).args(&command[1..]);
            launch.run(LONGEST + GRACE)?.in_order()
        },
    );
    findings.verdict()
}

/// A peer that reads nothing: shutdown waits for it as long as `--drain` allows, and only until the second signal.
fn draining(world: &World, signals: &[[i32; 2]]) -> Result<()> {
    let ios = ["tasks", "threads", "one-thread", "uring"];
    let tries: Vec<_> =
        ios.iter().flat_map(|io| signals.iter().map(move |signals| (*io, *signals))).collect();
    let mut findings = Findings::default();
    findings.each(
        &tries,
        |(io, signals)| format!("--io {io}, signals {signals:?}"),
        |(io, signals)| {
            let (server, addr) = world.serve(&["--drain", "10m", "--io", io])?;
            let mut peer = TcpStream::connect(&addr)?;
            peer.set_write_timeout(Some(Duration::from_millis(300)))?;
            while peer.write(&b"a line that is echoed\n".repeat(3000)).is_ok() {}
            ended_by(server, signals, SECOND)
        },
    );
    findings.each(
        &ios,
        |io| format!("--io {io}, --drain 500ms"),
        |io| {
            let (server, addr) = world.serve(&["--drain", "500ms", "--io", io])?;
            let _peer = TcpStream::connect(&addr)?;
            ended_by(server, &[libc::SIGTERM], GRACE)
        },
    );
    findings.verdict()
}

/// Sends the first signal, waits for a moment, sends the next; after the last one it exits `within` that time.
pub(super) fn ended_by(running: Running, signals: &[i32], within: Duration) -> Result<()> {
    for (number, &signal) in signals.iter().enumerate() {
        if number > 0 && wait_until(BETWEEN, || !running.is_alive()) {
            break;
        }
        running.signal(signal);
    }
    let ended = running.end(within)?;
    let is_own = ended.signal.is_none_or(|signal| signals.contains(&signal));
    ensure!(is_own, "another signal killed it: {ended}");
    ensure!(ended.code != Some(101) && !ended.printed().contains("panicked at"), "it panicked: {ended}");
    Ok(())
}

/// Maximum time after a command's own time, and after the first signal: more than the documented bound, because the
/// machine may be busy and the program a debug build.
pub(super) const GRACE: Duration = Duration::from_secs(15);

/// Maximum time after the second signal.
pub(super) const SECOND: Duration = Duration::from_secs(5);

/// The time between two signals, in which the first one takes effect.
const BETWEEN: Duration = Duration::from_secs(2);

/// Maximum time of the runs against hostile servers, their own timeouts in a row included.
const LONGEST: Duration = Duration::from_secs(3);
