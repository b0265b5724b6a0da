//! The target: a server that the audit starts, and stops with everything that it started.
//!
//! ```text
//! echoctl ─┬─ the command, leader of a process group of its own ── workers, upstreams, a process a connection …
//!          └─ the keeper: kills that group should echoctl itself be killed
//! ```
//!
//! The command is told its port as `$PORT` and wherever its arguments say `{port}`. It is ready when somebody listens
//! there: no connection is made to find out, since some servers serve just one.

mod keeper;
mod output;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::{Found, ProcessTree, SocketDiag, listener};

use crate::Error;
use crate::sys::{self, Signal};
use keeper::Keeper;
use output::Output;

/// A running server. Dropping it stops it and all that it started.
#[derive(Debug)]
pub struct Target {
    command: String,
    addr: SocketAddr,
    /// The value of [`MARK`] in the environment of all its processes.
    mark: String,
    child: Child,
    /// Open as long as the target is wanted: a command that ends with its input ends with us.
    _stdin: Option<std::process::ChildStdin>,
    output: Output,
    ended: Option<ExitStatus>,
    tree: Option<ProcessTree>,
    _keeper: Keeper,
}

impl Target {
    /// Starts a command and waits until it listens at `addr`, or at a free port of 127.0.0.1 if there is none.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not listen within `patience`; each with the end of what it printed.
    pub fn start(
        command: &[OsString],
        addr: Option<SocketAddr>,
        patience: Duration,
        stop: &AtomicBool,
    ) -> Result<Target, Error> {
        let is_ours_to_choose = addr.is_none();
        let addr = match addr {
            Some(addr) if is_listening(addr) => return Err(Error::PortTaken(addr.port())),
            Some(addr) => addr,
            None => free_addr()?,
        };
        let mut target = Target::spawn(command, addr)?;
        target.await_listener(patience, is_ours_to_choose, stop)?;
        target.settle(stop);
        Ok(target)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The command, as one line.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// The end of what it printed.
    pub fn output(&self) -> String {
        self.output.tail()
    }

    /// The pids that are the roots of its process tree: the command, and whoever listens.
    pub fn roots(&self) -> Vec<u32> {
        let mut roots = BTreeSet::new();
        if is_running(self.child.id()) {
            roots.insert(self.child.id());
        }
        roots.extend(listener(self.addr).iter().flat_map(|listener| listener.pids()));
        roots.into_iter().collect()
    }

    fn spawn(command: &[OsString], addr: SocketAddr) -> Result<Target, Error> {
        let port = addr.port().to_string();
        let words: Vec<OsString> = command
            .iter()
            .map(|word| match word.to_str() {
                Some(text) => text.replace("{port}", &port).into(),
                None => word.clone(),
            })
            .collect();
        let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let failed = |source| Error::Start { command: line.clone(), source };
        let (program, arguments) =
            words.split_first().ok_or_else(|| failed(io::Error::other("no command was given")))?;
        sys::adopt_orphans();
        let mark = format!("{:016x}", random());
        let (reader, writer) = io::pipe().map_err(failed)?;
        let mut process = Command::new(program);
        process
            .args(arguments)
            .env("PORT", &port)
            .env(MARK, &mark)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().map_err(failed)?)
            .stderr(writer);
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut process, 0);
        let mut child = process.spawn().map_err(failed)?;
        // The command itself still holds our ends of the pipe; without them the output ends with the target.
        drop(process);
        let keeper = Keeper::over(child.id());
        Ok(Target {
            command: line,
            addr,
            mark,
            _stdin: child.stdin.take(),
            output: Output::follow(reader),
            ended: None,
            tree: ProcessTree::new([child.id()]).ok(),
            child,
            _keeper: keeper,
        })
    }

    fn await_listener(&mut self, patience: Duration, any: bool, stop: &AtomicBool) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        loop {
            if is_listening(self.addr) {
                return Ok(());
            }
            if any && let Some(addr) = other_address(self.addr.port()) {
                self.addr = addr;
                return Ok(());
            }
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            if self.ended.is_none() {
                self.ended = self.child.try_wait().ok().flatten();
            }
            // A command that ends well may have left a server in the background, which needs a moment to listen.
            let gone = self.ended.filter(|status| !status.success() || !self.has_descendants());
            if let Some(status) = gone
                && !is_listening(self.addr)
            {
                return Err(Error::Ended {
                    command: self.command.clone(),
                    how: status.to_string(),
                    port: self.addr.port(),
                    output: self.printed(),
                });
            }
            if Instant::now() >= deadline {
                return Err(Error::NeverListened {
                    command: self.command.clone(),
                    port: self.addr.port(),
                    waited: patience,
                    elsewhere: self.elsewhere(),
                    output: self.printed(),
                });
            }
            thread::sleep(LISTEN_POLL);
        }
    }

    /// Waits until it has come to rest, at most [`SETTLING`]: what it allocates while it still starts is not growth, and a
    /// proxy often listens before what is behind it.
    fn settle(&self, stop: &AtomicBool) {
        let deadline = Instant::now() + SETTLING;
        let Ok(mut tree) = ProcessTree::new(self.roots()) else { return };
        let mut used = None;
        while Instant::now() < deadline && !stop.load(Ordering::Relaxed) {
            tree.rescan();
            let now = tree.read().processor_time;
            // Processor time is counted in steps of 10 ms: one step in a tenth of a second is rest.
            if used.is_some_and(|used| now.saturating_sub(used) <= Duration::from_millis(10)) {
                return;
            }
            used = Some(now);
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Where its processes listen, if not where they should: the most likely mistake is a fixed port.
    fn elsewhere(&mut self) -> String {
        let members = self.members();
        let found = listening_addrs().into_iter().find(|addr| {
            listener(*addr).is_ok_and(|listener| listener.pids().any(|pid| members.contains(&pid)))
        });
        match found {
            Some(addr) => format!(
                "; it listens on {addr}: let it use $PORT or {{port}}, or name that address before the '--'"
            ),
            None => String::new(),
        }
    }

    fn printed(&self) -> String {
        // The last words of a command that has just ended may still be on their way through the pipe.
        thread::sleep(Duration::from_millis(20));
        match self.output.tail() {
            tail if tail.is_empty() => "; it printed nothing".to_owned(),
            tail => format!("; it printed:\n{tail}"),
        }
    }

    fn has_descendants(&mut self) -> bool {
        !self.members().is_empty()
    }

    /// All its processes that run: the tree below the command, and orphans that became ours.
    fn members(&mut self) -> BTreeSet<u32> {
        let mut members = BTreeSet::new();
        if let Some(tree) = &mut self.tree {
            tree.rescan();
            members.extend(tree.members().map(echoctl_observe::Process::pid));
        }
        members.extend(self.orphans());
        members
    }

    /// Processes of the target whose parent has gone and that were given to us: known by their group, or, when they have
    /// left it as a daemon does, by the mark in their environment.
    fn orphans(&self) -> Vec<u32> {
        let Ok(own) = ProcessTree::new([std::process::id()]) else { return Vec::new() };
        let is_ours = |pid: &u32| {
            *pid != std::process::id() && (group_of(*pid) == Some(self.child.id()) || self.has_marked(*pid))
        };
        own.members().map(echoctl_observe::Process::pid).filter(is_ours).collect()
    }

    fn has_marked(&self, pid: u32) -> bool {
        let mark = format!("{MARK}={}", self.mark);
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|word| word == mark.as_bytes()))
    }

    /// Ends everything: asks first, so that sockets and temporary files are cleaned up, and does not wait for long.
    fn stop(&mut self) {
        let mut members = self.members();
        members.extend(listener(self.addr).iter().flat_map(|listener| listener.pids()));
        members.remove(&std::process::id());
        let leader = self.child.id();
        let _ = sys::signal_group(leader, Signal::Terminate);
        for &pid in members.iter().filter(|pid| group_of(**pid) != Some(leader)) {
            let _ = sys::signal_process(pid, Signal::Terminate);
        }
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && members.iter().any(|pid| is_running(*pid)) {
            // Without waiting for it, the command would be there for ever.
            let _ = self.child.try_wait();
            thread::sleep(Duration::from_millis(5));
        }
        let _ = sys::signal_group(leader, Signal::Kill);
        for &pid in members.iter().filter(|pid| is_running(**pid)) {
            let _ = sys::signal_process(pid, Signal::Kill);
        }
        let _ = self.child.wait();
        sys::reap(&members.into_iter().collect::<Vec<_>>());
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A random number, from the seed that std gives each hash map: enough to be unlike the others.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// An address of 127.0.0.1 with a port that is free, as is the next one: proxies often put their upstream there.
fn free_addr() -> Result<SocketAddr, Error> {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    // Below the range that the kernel takes clients' ports from (from 32,768 on), so that none sits there already.
    (0..1000)
        .map(|_| 20_000 + (random() % 12_000) as u16)
        .find(|&port| free(port) && free(port + 1))
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .ok_or(Error::System { what: "find a free port", source: io::ErrorKind::AddrInUse.into() })
}

/// Whether somebody listens at `addr`, or at a wildcard that covers it.
fn is_listening(addr: SocketAddr) -> bool {
    let Ok(mut diag) = SocketDiag::open() else {
        // Where the kernel does not tell, binding does: an address where somebody listens is refused.
        return TcpListener::bind(addr).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    };
    diag.listening().is_ok_and(|all| all.iter().any(|socket| covers(socket, addr)))
}

/// Whether a listening socket takes connections to `addr`.
fn covers(socket: &Found, addr: SocketAddr) -> bool {
    let ip = socket.local.ip();
    let is_any = ip.is_unspecified() && (ip.is_ipv4() == addr.is_ipv4() || (ip.is_ipv6() && !socket.only_v6));
    socket.local.port() == addr.port() && (ip == addr.ip() || is_any)
}

/// Where somebody listens at this port, if not at 127.0.0.1: a server that asks for "localhost" may get `[::1]`, and one
/// that asks for its own name the address of an interface.
fn other_address(port: u16) -> Option<SocketAddr> {
    let all = SocketDiag::open().and_then(|mut diag| diag.listening()).ok()?;
    let local = all.iter().map(|socket| socket.local).find(|local| local.port() == port)?;
    let is_any = local.ip().is_unspecified();
    Some(if is_any { SocketAddr::from((Ipv6Addr::LOCALHOST, port)) } else { local })
}

fn listening_addrs() -> Vec<SocketAddr> {
    let found = SocketDiag::open().and_then(|mut diag| diag.listening());
    found.into_iter().flatten().map(|socket| socket.local).collect()
}

fn is_running(pid: u32) -> bool {
    echoctl_observe::Process::open(pid).is_ok()
}

/// The process group of a process, from the fields behind the name in `/proc/PID/stat`.
#[cfg(target_os = "linux")]
fn group_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(2)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn group_of(_: u32) -> Option<u32> {
    None
}

/// The variable in the target's environment that tells its processes from all others.
const MARK: &str = "ECHOCTL_TARGET";

/// How often it is looked whether the target listens: small beside the start of any interpreter.
const LISTEN_POLL: Duration = Duration::from_millis(10);

/// The longest that it is waited for rest. A server that is always busy must be attacked as it is.
const SETTLING: Duration = Duration::from_millis(1500);

/// Time for a clean end. Long enough for a JVM; what takes longer does not want to.
const GRACE: Duration = Duration::from_millis(400);
