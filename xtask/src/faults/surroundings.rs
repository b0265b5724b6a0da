//! Unusual environments: arguments that are not text, terminals of one column, pipes without a peer.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::case::{Case, case, quick};
use super::endings::{SECOND, ended_by};
use super::kit::text::{Medium, harmless};
use super::kit::{Findings, World, sys, tree, wait_until};

pub(super) const CASES: &[Case] = &[
    quick("bytes-that-are-not-text", not_text),
    case("terminals-of-every-size", terminals),
    quick("terminals-of-an-odd-size", |world| {
        let file = world.file("run.json", world.record()?.to_string())?;
        on_terminals(world, &[&["report", &file], &["doctor", "--nonsense"], &["lesson"]])
    }),
    quick("pipes-without-a-peer", pipes),
    case("an-empty-environment", |world| {
        let (_server, addr) = world.serve(&[])?;
        let mut findings = Findings::default();
        for command in
            [&["ping", &addr, "--count", "1"][..], &["lesson", "stream", "--yes"], &["doctor"], &["--help"]]
        {
            for launch in [world.echoctl(command).bare(), world.echoctl(command).bare().terminal()] {
                findings.add(command.join(" "), launch.run(SOON).and_then(|ended| ended.with_code(&[0, 3])));
            }
        }
        findings.verdict()
    }),
];

/// Bytes that are not valid UTF-8, with an escape sequence among them.
const BYTES: &[u8] = b"\xff\xfe\x1b[31m\xc3(";

fn not_text(world: &World) -> Result<()> {
    let bytes = OsStr::from_bytes(BYTES);
    let joined = |front: &str, back: &str| {
        let mut word = OsString::from(front);
        word.push(bytes);
        word.push(back);
        word
    };
    let mut commands: Vec<Vec<OsString>> = vec![vec![bytes.into()], vec!["help".into(), bytes.into()]];
    for command in ["ping", "flood", "send", "watch", "audit", "report", "lesson", "completions", "man"] {
        commands.push(vec![command.into(), bytes.into()]);
        commands.push(vec![command.into(), joined("127.0.0.1:", "")]);
        commands.push(vec![command.into(), joined("--", "=1")]);
    }
    for option in ["--record", "--report", "--size", "--framing", "--for"] {
        commands.push(vec!["flood".into(), "127.0.0.1:9".into(), option.into(), bytes.into()]);
    }
    for option in ["--script", "--request", "--junit", "--expect", "--preset"] {
        commands.push(vec!["audit".into(), "127.0.0.1:9".into(), option.into(), bytes.into()]);
    }
    commands.push(vec!["audit".into(), "--".into(), bytes.into()]);
    commands.push(vec!["audit".into(), "--".into(), "false".into(), bytes.into()]);
    commands.push(vec!["serve".into(), "--addr".into(), bytes.into()]);
    commands.push(vec!["compare".into(), bytes.into(), joined("./", ".json")]);
    let mut findings = Findings::default();
    findings.each(
        &commands,
        |words| words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "),
        |words| {
            let ended = world.echoctl(&[]).args(words).run(SOON)?;
            ended.with_code(&[1, 2, 4])?;
            harmless(&ended.err, Medium::Plain)
        },
    );
    for variable in
        ["ECHOCTL_ADDR", "TERM", "NO_COLOR", "COLORTERM", "COLUMNS", "LINES", "LANG", "PATH", "HOME"]
    {
        let ended = world.echoctl(&["ping"]).env(variable, bytes).terminal().run(SOON);
        findings.add(variable, ended.and_then(|ended| ended.with_code(&[0, 2, 4])));
    }
    findings.verdict()
}

fn terminals(world: &World) -> Result<()> {
    let file = world.file("run.json", world.record()?.to_string())?;
    let (_server, addr) = world.serve(&[])?;
    on_terminals(
        world,
        &[
            &["report", &file],
            &["compare", &file, &file],
            &["flood", &addr, "--for", "1s"],
            &["flood", &addr, "--for", "1s", "--no-read"],
            &["watch", &addr, "--for", "1s"],
            &["audit", &addr, "--for", "1s", "--bytes", "4MiB"],
            &["demo", "--yes", "--small", "--no-report"],
            &["lesson", "stream", "--yes"],
            &["--help"],
            &["ping", "nowhere"],
        ],
    )
}

/// Runs commands on terminals of no, one, few and very many columns and rows.
fn on_terminals(world: &World, commands: &[&[&str]]) -> Result<()> {
    let sizes = [(0, 0), (1, 1), (2, 3), (24, 1), (1, 200), (24, 9), (24, u16::MAX), (u16::MAX, u16::MAX)];
    let tries: Vec<_> = commands.iter().flat_map(|command| sizes.map(|size| (*command, size))).collect();
    let mut findings = Findings::default();
    findings.each(
        &tries,
        |(command, (rows, columns))| format!("{} on {rows} rows and {columns} columns", command[0]),
        |(command, (rows, columns))| {
            let launch = world.echoctl(command).terminal_of(*rows, *columns);
            launch.limit(libc::RLIMIT_AS, 4 << 30).run(SOON)?.in_order()
        },
    );
    findings.verdict()
}

/// A command may wait for a named pipe without a writer, or without a reader; a signal ends that.
fn pipes(world: &World) -> Result<()> {
    let pipe = world.path("pipe");
    sys::make_pipe(&pipe).context("cannot make a named pipe")?;
    let pipe = pipe.to_string_lossy().into_owned();
    let request = format!("@{pipe}");
    let (_server, addr) = world.serve(&[])?;
    let commands: [&[&str]; 9] = [
        &["report", &pipe],
        &["compare", &pipe, &pipe],
        &["audit", &addr, "--script", &pipe],
        &["audit", &addr, "--request", &request],
        &["audit", &addr, "--junit", &pipe, "--for", "1s"],
        &["flood", &addr, "--record", &pipe, "--bytes", "1KiB"],
        &["watch", &addr, "--record", &pipe, "--for", "1s"],
        &["demo", "--yes", "--small", "--report", &pipe],
        &["lesson", "stream", "--yes", "--report", &pipe],
    ];
    let mut findings = Findings::default();
    findings.each(
        &commands,
        |command| command.join(" "),
        |command| {
            let running = world.echoctl(command).start()?;
            wait_until(Duration::from_secs(2), || !running.is_alive());
            let memory = tree::anonymous_memory(running.pid()).unwrap_or(0);
            ensure!(memory < 400 << 20, "it uses {} MiB", memory >> 20);
            ended_by(running, &[libc::SIGINT, libc::SIGINT], SECOND)
        },
    );
    findings.verdict()
}

/// Maximum time for a command of some seconds, on a busy machine.
const SOON: Duration = Duration::from_secs(60);
