//! After a command has exited, however it exited, no process that it started is still running.
//!
//! The cases' own process adopts all orphans, so all survivors are below it, in whatever session, group or
//! environment they are.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::case::{Case, case, quick};
use super::kit::{Launch, Running, World, own_program, tree, wait_until};

pub(super) const CASES: &[Case] = &[
    quick("daemon", |world| ended_audit(world, "daemon")),
    case("setsid", |world| ended_audit(world, "setsid")),
    case("no-environment", |world| ended_audit(world, "no-environment")),
    case("daemon-without-environment", |world| ended_audit(world, "unmarked-daemon")),
    case("daemon-that-listens-late", |world| ended_audit(world, "late-daemon")),
    case("server-that-ignores-sigterm", |world| ended_audit(world, "deaf")),
    quick("server-that-starts-another-on-sigterm", |world| ended_audit(world, "heir")),
    case("server-that-is-stopped", |world| ended_audit(world, "stopped")),
    case("audit-killed-over-a-stopped-server", |world| stopped_audit(world, "stopped", &[libc::SIGKILL])),
    case("server-that-is-restarted", |world| ended_audit(world, "restarter")),
    case("command-that-never-listens", |world| ended_audit(world, "sleeper")),
    quick("audit-killed", |world| stopped_audit(world, "daemon", &[libc::SIGKILL])),
    case("audit-killed-over-setsid", |world| stopped_audit(world, "setsid", &[libc::SIGKILL])),
    case("audit-killed-over-no-environment", |world| {
        stopped_audit(world, "unmarked-daemon", &[libc::SIGKILL])
    }),
    case("audit-killed-over-a-deaf-server", |world| stopped_audit(world, "deaf", &[libc::SIGKILL])),
    case("audit-killed-over-a-restarter", |world| stopped_audit(world, "restarter", &[libc::SIGKILL])),
    case("audit-hung-up", |world| stopped_audit(world, "unmarked-daemon", &[libc::SIGHUP])),
    case("audit-quit", |world| stopped_audit(world, "unmarked-daemon", &[libc::SIGQUIT])),
    case("audit-terminated", |world| stopped_audit(world, "unmarked-daemon", &[libc::SIGTERM])),
    case("audit-interrupted-twice", |world| stopped_audit(world, "unmarked-daemon", &[libc::SIGINT; 2])),
    case("audit-interrupted-over-an-heir", |world| stopped_audit(world, "heir", &[libc::SIGINT])),
    case("audit-killed-while-it-waits", killed_while_waiting),
    case("parent-shell-killed", shell_killed),
    case("terminal-closed", terminal_closed),
    quick("demo-killed", |world| killed(world, &["demo", "--yes", "--small", "--no-report"], 2)),
    case("demo-killed-at-full-size", |world| killed(world, &["demo", "--yes", "--no-report"], 2)),
    case("lesson-sockets-killed", |world| killed(world, &["lesson", "sockets", "--yes"], 1)),
    case("lesson-unbounded-killed", |world| killed(world, &["lesson", "unbounded", "--yes"], 1)),
    case("doctor-killed", |world| killed(world, &["doctor"], 0)),
    case("flood-killed", flood_killed),
];

/// An audit of one of our commands that runs to its end.
fn ended_audit(world: &World, life: &str) -> Result<()> {
    let ended = audit(world, life)?.run(AUDIT)?;
    // A finished audit has stopped everything: no process may still be on its way out.
    nothing_left(Duration::from_secs(2), &format!("{ended}"))?;
    ended.in_order()
}

/// An audit that gets signals in the middle of its attack.
fn stopped_audit(world: &World, life: &str, signals: &[i32]) -> Result<()> {
    let audit = audit(world, life)?.start()?;
    await_attack(&audit)?;
    for &signal in signals {
        audit.signal(signal);
    }
    let line = format!("after signals {signals:?}");
    audit.end(ENDING)?;
    nothing_left(ENDING, &line)
}

fn killed_while_waiting(world: &World) -> Result<()> {
    let audit = audit(world, "late-daemon")?.start()?;
    let is_started = wait_until(STARTED, || tree::descendants().len() > 2);
    ensure!(is_started, "the command was never started: {:?}", audit.printed());
    audit.signal(libc::SIGKILL);
    audit.end(ENDING)?;
    nothing_left(ENDING, "after SIGKILL before the command listened")
}

fn shell_killed(world: &World) -> Result<()> {
    let program = own_program()?;
    let script = r#""$0" audit --json --for 4s --bytes 64MiB -- "$1" __peer unmarked-daemon "{port}"; true"#;
    let (bin, peer) = (world.bin.to_string_lossy(), program.to_string_lossy());
    let shell = Launch::new("/bin/sh".as_ref(), world.folder()).args(&["-c", script, &bin, &peer]).start()?;
    await_attack(&shell)?;
    shell.signal(libc::SIGKILL);
    shell.end(ENDING)?;
    // The audit itself may continue to its end, but nothing may remain after that.
    nothing_left(AUDIT, "after its shell was killed")
}

fn terminal_closed(world: &World) -> Result<()> {
    let program = own_program()?.to_string_lossy().into_owned();
    let command =
        ["audit", "--for", "20s", "--rate", "1MiB", "--", &program, "__peer", "unmarked-daemon", "{port}"];
    let audit = world.echoctl(&command).terminal().start()?;
    let is_started = wait_until(STARTED, || is_served(&audit));
    ensure!(is_started, "the command never listened: {:?}", audit.printed());
    // The session of a terminal that is closed gets SIGHUP.
    audit.signal(libc::SIGHUP);
    audit.end(ENDING)?;
    nothing_left(ENDING, "after its terminal went")
}

fn killed(world: &World, arguments: &[&str], children: usize) -> Result<()> {
    let running = world.echoctl(arguments).start()?;
    let is_started = wait_until(STARTED, || tree::descendants().len() > children || !running.is_alive());
    ensure!(is_started, "it never started its servers: {:?}", running.printed());
    running.signal(libc::SIGKILL);
    running.end(ENDING)?;
    nothing_left(ENDING, &format!("after {arguments:?} was killed"))
}

fn flood_killed(world: &World) -> Result<()> {
    let (server, addr) = world.serve(&[])?;
    let flood = world.echoctl(&["flood", &addr, "--json", "--for", "30s", "--no-read"]).start()?;
    flood.await_text("\"event\":\"sample\"", STARTED).or_else(|_| flood.await_text("produced", STARTED))?;
    flood.signal(libc::SIGKILL);
    flood.end(ENDING)?;
    let left = tree::left_behind(&[server.pid()].into(), ENDING);
    ensure!(left.is_empty(), "left behind: {}", left.join(", "));
    ensure!(server.is_alive(), "the server exited because its client was killed: {:?}", server.printed());
    Ok(())
}

fn audit(world: &World, life: &str) -> Result<Launch> {
    let program = own_program()?.to_string_lossy().into_owned();
    let options = ["audit", "--json", "--for", "3s", "--bytes", "32MiB", "--ready-timeout", "5s"];
    Ok(world.echoctl(&options).args(&["--", &program, "__peer", life, "{port}"]))
}

/// Waits for the first sample of the attack.
fn await_attack(audit: &Running) -> Result<()> {
    audit
        .await_text("\"event\":\"sample\"", STARTED)
        .or_else(|_| audit.await_text("sample", STARTED))
        .map(drop)
}

/// Whether one of our servers runs below the audit.
fn is_served(audit: &Running) -> bool {
    tree::descendants()
        .iter()
        .any(|&pid| pid != audit.pid() && tree::command_line(pid).contains("__peer echo"))
}

fn nothing_left(within: Duration, when: &str) -> Result<()> {
    let left = tree::left_behind(&Default::default(), within);
    ensure!(left.is_empty(), "left behind: {}; {when}", left.join(", "));
    Ok(())
}

/// Maximum time for an audit of a few seconds on a busy machine.
const AUDIT: Duration = Duration::from_secs(60);

/// Maximum time until a stopped command has exited, with all processes that it started.
const ENDING: Duration = Duration::from_secs(10);

/// Maximum time until a command has started its processes.
const STARTED: Duration = Duration::from_secs(20);
