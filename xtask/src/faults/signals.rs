//! Every command exits in order on the first signal and immediately on the second, whatever the reader of its output does, and
//! leaves its terminal as it was.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::case::{Case, case, quick};
use super::endings::{GRACE, SECOND, ended_by};
use super::kit::text::shows_cursor;
use super::kit::{Findings, Launch, Running, World, tree, wait_until};

pub(super) const CASES: &[Case] = &[
    quick("every-command-at-sigint", |world| at_signal(world, libc::SIGINT)),
    case("every-command-at-sigterm", |world| at_signal(world, libc::SIGTERM)),
    quick("at-a-question", questions),
    case("a-json-reader-that-stopped", |world| stopped_reader(world, JSON, Launch::unread)),
    quick("a-watch-whose-reader-stopped", |world| stopped_reader(world, &JSON[..1], Launch::unread)),
    case("a-terminal-that-stopped", |world| stopped_reader(world, LIVE, |launch| launch.terminal().unread())),
    case("a-reader-that-left", departed_reader),
    quick("the-cursor-of-a-flood", |world| {
        cursor(world, &LIVE[..1], &[&[libc::SIGINT; 2], &[libc::SIGTERM]])
    }),
    case("the-cursor-of-every-view", |world| {
        let endings: [&[i32]; 6] = [
            &[libc::SIGINT],
            &[libc::SIGINT; 2],
            &[libc::SIGINT, libc::SIGTERM],
            &[libc::SIGTERM; 2],
            &[libc::SIGHUP],
            &[libc::SIGQUIT],
        ];
        cursor(world, LIVE, &endings)
    }),
];

fn at_signal(world: &World, signal: i32) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let bin = world.bin.to_string_lossy().into_owned();
    let known = tree::descendants();
    let commands = [
        &["serve", "--addr", "127.0.0.1:0"][..],
        &["flood", &addr, "--for", "1h", "--plain"],
        &["flood", &addr, "--for", "1h", "--no-read", "--then-read", "--plain"],
        &["ping", &addr, "--for", "1h"],
        &["ping", &addr, "--for", "1h", "--rate", "10"],
        &["watch", &addr, "--plain"],
        &["watch", &addr, "--plain", "--every", "1h"],
        &["audit", &addr, "--for", "1h", "--rate", "1KiB"],
        &["audit", "--ready-timeout", "1h", "--", "sleep", "3600"],
        &["audit", "--for", "1h", "--rate", "1KiB", "--", &bin, "serve", "--addr", "127.0.0.1:{port}"],
        &["dns", "--addr", "127.0.0.1:0"],
        &["demo", "--yes", "--no-report"],
        &["demo", "--yes", "--json", "--no-report"],
        &["lesson", "all", "--yes"],
        &["lesson", "sockets", "--yes"],
        &["lesson", "unbounded", "--yes"],
        &["doctor"],
    ];
    let mut findings = Findings::default();
    findings.each(
        &commands,
        |command| command.join(" "),
        |command| {
            let running = world.echoctl(command).start()?;
            // After this time, it is in the middle of its work.
            wait_until(UNDER_WAY, || !running.is_alive());
            ended_by(running, &[signal], GRACE)
        },
    );
    let left = tree::left_behind(&known, GRACE);
    ensure!(left.is_empty(), "left behind: {}", left.join(", "));
    findings.verdict()
}

/// Ctrl-C at a prompt.
fn questions(world: &World) -> Result<()> {
    let commands: [&[&str]; 4] =
        [&["demo", "--no-report"], &["lesson", "stream"], &["lesson", "sockets"], &["lesson", "all"]];
    let all_keys = ["\x03", "\x03\x03", "\x04"];
    let tries: Vec<_> = commands.iter().flat_map(|command| all_keys.map(|keys| (*command, keys))).collect();
    let mut findings = Findings::default();
    findings.each(
        &tries,
        |(command, keys)| format!("{} at {keys:?}", command.join(" ")),
        |(command, keys)| {
            let mut running = world.echoctl(command).terminal().start()?;
            // Where there is no prompt, this is the middle of its work, which must end as well.
            let is_asked = |running: &Running| running.printed().trim_end().ends_with(['?', ':', '>', ']']);
            wait_until(GRACE, || is_asked(&running) || !running.is_alive());
            running.type_in(keys)?;
            if *keys == "\x04" {
                // The end of input is an answer; what follows may take its time, and ends on Ctrl-C.
                wait_until(UNDER_WAY, || !running.is_alive());
                let _ = running.type_in("\x03");
            }
            let ended = running.end(GRACE)?;
            ensure!(shows_cursor(&ended.out), "the cursor stays hidden: {ended}");
            ensure!(!ended.printed().contains("panicked at"), "it panicked: {ended}");
            Ok(())
        },
    );
    findings.verdict()
}

/// Commands that print JSON for as long as they run; `ADDR` is replaced by a server's address.
const JSON: &[&[&str]] = &[
    &["watch", "ADDR", "--json", "--every", "1ms"],
    &["flood", "ADDR", "--json", "--for", "1h", "--rate", "1MiB"],
    &["audit", "ADDR", "--json", "--for", "1h", "--rate", "1KiB"],
    &["demo", "--json", "--no-report"],
    &["serve", "--addr", "127.0.0.1:0", "--json", "--stats-every", "1ms"],
    &["lesson", "all", "--json", "--yes"],
];

/// Commands that draw a live view.
const LIVE: &[&[&str]] = &[
    &["flood", "ADDR", "--for", "1h", "--rate", "1MiB"],
    &["watch", "ADDR", "--every", "10ms"],
    &["serve", "--addr", "127.0.0.1:0", "--stats-every", "1ms"],
    &["audit", "ADDR", "--for", "1h", "--rate", "1KiB"],
    &["demo", "--yes", "--no-report"],
];

fn stopped_reader(world: &World, commands: &[&[&str]], stop: fn(Launch) -> Launch) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let both = [[libc::SIGINT, libc::SIGINT], [libc::SIGTERM, libc::SIGTERM]];
    let tries: Vec<_> = commands.iter().flat_map(|command| both.map(|signals| (*command, signals))).collect();
    let mut findings = Findings::default();
    findings.each(
        &tries,
        |(command, signals)| format!("{} at {signals:?}", command.join(" ")),
        |(command, signals)| {
            let running = stop(world.echoctl(&with_addr(command, &addr))).start()?;
            // A command that prints little may not fill its reader, which is fine.
            let _ = running.await_blocked(FULL);
            ended_by(running, signals, SECOND)
        },
    );
    findings.verdict()
}

/// As with `| head -1`: a command that prints until it is interrupted exits once its output has no reader.
fn departed_reader(world: &World) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    let commands: [&[&str]; 11] = [
        &["serve", "--addr", "127.0.0.1:0", "--json"],
        &["dns", "--addr", "127.0.0.1:0", "--json"],
        &["class", "--addr", "127.0.0.1:0", "--page", "127.0.0.1:0", "--json"],
        &["watch", &addr, "--json", "--every", "1ms"],
        &["watch", &addr, "--plain", "--every", "1ms"],
        &["flood", &addr, "--json", "--for", "3s"],
        &["audit", &addr, "--json", "--for", "2s"],
        &["demo", "--small", "--json", "--no-report"],
        &["lesson"],
        &["--help"],
        &["man"],
    ];
    let mut findings = Findings::default();
    findings.each(
        &commands,
        |command| command.join(" "),
        |command| {
            let mut running = world.echoctl(command).unread().start()?;
            running.close_output();
            running.end(Duration::from_secs(10) + GRACE)?.in_order()
        },
    );
    findings.verdict()
}

fn cursor(world: &World, commands: &[&[&str]], endings: &[&[i32]]) -> Result<()> {
    let (_server, addr) = world.serve(&[])?;
    // Two signals in a row race with the handling of the first, so they are tried more often.
    let times = |signals: &[i32]| if signals.len() > 1 { 5 } else { 1 };
    let repeated: Vec<_> = endings.iter().flat_map(|signals| vec![*signals; times(signals)]).collect();
    let tries: Vec<_> = commands
        .iter()
        .flat_map(|command| repeated.iter().map(move |signals| (*command, *signals)))
        .collect();
    let mut findings = Findings::default();
    findings.each(
        &tries,
        |(command, signals)| format!("{} at {signals:?}", command.join(" ")),
        |(command, signals)| {
            let running = world.echoctl(&with_addr(command, &addr)).terminal().start()?;
            let is_drawn = |running: &Running| running.printed().contains("\x1b[?25l");
            wait_until(GRACE, || is_drawn(&running) || !running.is_alive() || running.printed().len() > MUCH);
            for &signal in *signals {
                running.signal(signal);
            }
            let ended = running.end(GRACE)?;
            ensure!(shows_cursor(&ended.out), "the cursor stays hidden: {ended}");
            Ok(())
        },
    );
    findings.verdict()
}

fn with_addr<'a>(command: &[&'a str], addr: &'a str) -> Vec<&'a str> {
    command.iter().map(|word| if *word == "ADDR" { addr } else { word }).collect()
}

/// Bytes after which a view that hides no cursor is drawn, too.
const MUCH: usize = 4000;

/// Maximum time until unread output is full.
const FULL: Duration = Duration::from_secs(8);

/// The time after which a command is in the middle of its work.
const UNDER_WAY: Duration = Duration::from_millis(700);
