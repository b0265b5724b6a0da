//! An audit sends no byte and no signal to a process that it did not start.
//!
//! Each case has a stranger, which prints what it receives and survives it. A command of the audit first reports its port to
//! the case and waits, so that the stranger can be in the worst place at the worst time.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::case::{Case, case, quick};
use super::kit::{Ended, Launch, Running, STARTING, World, need_root, own_program, skip, wait_until};

pub(super) const CASES: &[Case] = &[
    quick("other-loopback-and-the-command-never-listens", |world| {
        let met = meet(world, "paused-sleeps", "[::1]:{port}", None)?;
        met.stranger_is_unharmed()?;
        met.ended.with_code(&[4])
    }),
    case("other-loopback-beside-the-command", |world| {
        let met = meet(world, "paused-serves", "[::1]:{port}", None)?;
        met.stranger_is_unharmed()?;
        met.ended.with_code(&[0, 3, 4])
    }),
    case("every-address-of-the-other-family", |world| {
        let met = meet(world, "paused-sleeps", "[::]:{port}", None)?;
        met.stranger_is_unharmed()?;
        met.ended.with_code(&[4])
    }),
    case("another-address-of-127", |world| {
        let met = meet(world, "paused-sleeps", "127.0.0.2:{port}", None)?;
        met.stranger_is_unharmed()?;
        met.ended.with_code(&[4])
    }),
    quick("the-same-address-is-taken-first", |world| {
        let met = meet(world, "paused-sleeps", "127.0.0.1:{port}", None)?;
        met.stranger_is_unharmed()?;
        met.is_reported()
    }),
    case("every-address-is-taken-first", |world| {
        let met = meet(world, "paused-sleeps", "0.0.0.0:{port}", None)?;
        met.stranger_is_unharmed()?;
        met.is_reported()
    }),
    case("the-command-ends-and-a-stranger-listens", |world| {
        // As with socket activation: a command that succeeds, and a process that it did not start.
        let met = meet(world, "paused-exits", "127.0.0.1:{port}", None)?;
        met.stranger_is_unharmed()?;
        met.is_reported()
    }),
    case("another-user-takes-the-address", |world| {
        need_root()?;
        let met = meet(world, "paused-sleeps", "127.0.0.1:{port}", Some(UNPRIVILEGED))?;
        met.stranger_is_unharmed()?;
        met.is_reported()
    }),
    case("a-stranger-shares-the-port", |world| {
        let met = meet(world, "paused-shares", "shared", None)?;
        met.stranger_is_unharmed()?;
        met.is_reported()
    }),
    case("a-stranger-takes-over-when-the-server-dies", successor),
    case("an-explicit-address-that-a-stranger-has", explicit),
    case("a-watched-pid-is-not-signalled", watched_pid),
    case("an-audit-of-a-running-server-leaves-it-running", running_server),
    quick("another-users-server-needs-consent", consent),
];

/// The result of an audit that met a stranger.
struct Encounter {
    ended: Ended,
    stranger: Running,
}

impl Encounter {
    fn stranger_is_unharmed(&self) -> Result<()> {
        unharmed(&self.stranger).with_context(|| format!("{}", self.ended))
    }

    /// The audit exited with the code for an unreachable target, and reported the other process.
    fn is_reported(&self) -> Result<()> {
        self.ended.with_code(&[4])?;
        self.ended.has_any(&["already listens", "now listens", "not a process of", "another process"])
    }
}

fn unharmed(stranger: &Running) -> Result<()> {
    let printed = stranger.printed();
    ensure!(stranger.is_alive(), "the stranger was killed; it printed {printed:?}");
    ensure!(!printed.contains("signal "), "the stranger was signalled: {printed:?}");
    ensure!(
        !printed.contains("bytes "),
        "the stranger was sent bytes: {:?}",
        printed.lines().take(3).collect::<Vec<_>>()
    );
    Ok(())
}

/// Audits a command of the life `life` at a port that the audit chooses, and lets a stranger listen at `place` before the
/// command continues.
fn meet(world: &World, life: &str, place: &str, user: Option<u32>) -> Result<Encounter> {
    let folder = world.folder().to_string_lossy().into_owned();
    let audit = audit(world, &["--ready-timeout", "4s"], &[life, "{port}", &folder])?.start()?;
    let is_reported = wait_until(STARTING, || world.path("port").exists());
    ensure!(is_reported, "the audit never started its command: {:?}", audit.printed());
    let port = fs::read_to_string(world.path("port"))?;
    let place = place.replace("{port}", &port);
    let stranger = if place == "shared" {
        // The command's own listener must be first, or this is another case.
        fs::write(world.path("go"), "")?;
        let addr = format!("127.0.0.1:{port}");
        start_stranger(world.peer(&["sharing-stranger", &addr])?)?
    } else {
        let stranger = start_stranger(as_user(world, user)?.args(&["stranger", &place]))?;
        fs::write(world.path("go"), "")?;
        stranger
    };
    let ended = audit.end(AUDIT)?;
    Ok(Encounter { ended, stranger })
}

/// An audit of one of our own commands, as short as possible.
fn audit(world: &World, options: &[&str], command: &[&str]) -> Result<Launch> {
    let program = own_program()?.to_string_lossy().into_owned();
    let launch = world.echoctl(&["audit", "--for", "3s", "--bytes", "32MiB"]).args(options);
    Ok(launch.args(&["--", &program, "__peer"]).args(command))
}

fn start_stranger(launch: Launch) -> Result<Running> {
    let stranger = launch.start()?;
    stranger.await_text("listening on ", STARTING)?;
    Ok(stranger)
}

/// A peer as another user, who must be able to run this program: a copy where they can read it.
fn as_user(world: &World, user: Option<u32>) -> Result<Launch> {
    let Some(user) = user else { return world.peer(&[]) };
    let copy = world.path("peer");
    fs::copy(own_program()?, &copy).context("cannot copy this program")?;
    Ok(Launch::new(&copy, world.folder()).args(&["__peer"]).user(user))
}

fn successor(world: &World) -> Result<()> {
    let port = free_port()?;
    let addr = format!("127.0.0.1:{port}");
    let stranger = world.peer(&["successor", &addr])?;
    let program = own_program()?.to_string_lossy().into_owned();
    let command = ["audit", &addr, "--for", "4s", "--", &program, "__peer", "dies", &addr];
    let audit = world.echoctl(&command).start()?;
    // It starts to try the address once the command listens on it.
    wait_until(STARTING, || std::net::TcpListener::bind(&addr).is_err());
    let stranger = stranger.start()?;
    let ended = audit.end(AUDIT)?;
    ended.in_order()?;
    wait_until(Duration::from_secs(3), || stranger.printed().contains("listening on "));
    unharmed(&stranger).with_context(|| format!("{ended}"))?;
    ended.with_code(&[1, 3, 4])
}

fn explicit(world: &World) -> Result<()> {
    let stranger = start_stranger(world.peer(&["stranger", "0"])?)?;
    let addr = stranger.await_text("listening on ", STARTING)?;
    let ended = world.echoctl(&["audit", &addr, "--for", "2s", "--", "sleep", "20"]).run(AUDIT)?;
    unharmed(&stranger).with_context(|| format!("{ended}"))?;
    ended.with_code(&[4])
}

fn watched_pid(world: &World) -> Result<()> {
    let stranger = start_stranger(world.peer(&["stranger", "0"])?)?;
    let pid = stranger.pid().to_string();
    let ended = audit(world, &["--pid", &pid], &["echo", "{port}"])?.run(AUDIT)?;
    unharmed(&stranger).with_context(|| format!("{ended}"))?;
    ended.in_order()
}

fn running_server(world: &World) -> Result<()> {
    let (server, addr) = world.start_peer("echo", "0")?;
    let ended = world.echoctl(&["audit", &addr, "--for", "2s", "--bytes", "32MiB"]).run(AUDIT)?;
    ensure!(server.is_alive(), "the server that was running before has exited: {ended}");
    ended.with_code(&[0, 3])
}

fn consent(world: &World) -> Result<()> {
    need_root()?;
    let stranger = start_stranger(as_user(world, Some(UNPRIVILEGED))?.args(&["stranger", "0"]))?;
    let addr = stranger.await_text("listening on ", STARTING)?;
    for command in [
        &["flood", &addr, "--for", "1s"][..],
        &["ping", &addr, "--count", "1"],
        &["audit", &addr, "--for", "1s"],
        &["audit", &addr, "--for", "1s", "--", "sleep", "5"],
    ] {
        let ended = world.echoctl(command).run(AUDIT)?;
        unharmed(&stranger).with_context(|| format!("{ended}"))?;
        ended.with_code(&[2, 4])?;
    }
    Ok(())
}

/// A port that was free a moment ago, for a server that needs one.
fn free_port() -> Result<u16> {
    let listener =
        std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| skip(format!("no port: {error}")))?;
    Ok(listener.local_addr()?.port())
}

/// Maximum time for an audit of a few seconds on a busy machine.
const AUDIT: Duration = Duration::from_secs(60);

/// The uid of the unprivileged user of most systems, which is not ours.
const UNPRIVILEGED: u32 = 65_534;
