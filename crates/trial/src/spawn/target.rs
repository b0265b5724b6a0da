//! A running server, with all its processes.
//!
//! The command gets its port as `$PORT` and in place of `{port}` in its arguments, and the path of a Unix-domain socket as `$SOCKET`
//! and in place of `{socket}`. It is ready when it listens there according to the kernel's socket tables; no connection is made to
//! find out, because some servers accept only one. A socket counts only if
//! it belongs to processes of the command and to no other. A foreign process that listens there is neither connected to nor
//! signalled. The supervisor determines which processes are the command's: see [`supervise`](super::supervise()).

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::{Process, ProcessTree, ServerAddr};

use super::assigned::Assigned;
use super::port::free_addr;
use super::socket_path::{self, SocketFolder};
use super::supervisor::Supervisor;
use super::{Descendants, ForeignListener, Listeners, OutputWatch, Owner, SpawnError, other_namespaces};

/// A command to start, and how.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program and its arguments; `{port}` and `{socket}` in any of them are replaced by the port and the path.
    pub command: Vec<OsString>,
    /// Where it will listen.
    pub at: ListenAt,
    /// How long it may take until it listens.
    pub ready_timeout: Duration,
    /// A program, with its first arguments, that calls [`supervise`](super::supervise()) with the remaining ones.
    pub supervisor: Vec<OsString>,
    /// Whether this process starts no other children. If the supervisor is killed, every orphan that this process inherits is then
    /// the command's and is stopped. Otherwise only orphans are stopped that were seen before, or are in the supervisor's session.
    pub owns_orphans: bool,
}

/// Where a command will listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAt {
    /// A free port on loopback.
    FreePort,
    /// A Unix-domain socket in a new folder, which is removed at the end.
    FreePath,
    /// An address that the caller chose. A file that the command makes there is left as the command leaves it.
    Given(ServerAddr),
}

/// A running server. Dropping it stops all its processes.
#[derive(Debug)]
pub struct Target {
    command: String,
    addr: ServerAddr,
    descendants: Descendants,
    supervisor: Supervisor,
    /// Of its Unix-domain socket, if it was made for it. Removed after its processes have been stopped.
    _folder: Option<SocketFolder>,
}

impl Target {
    /// Starts a command and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started, exits, or does not listen in time, each with its last output; when another process listens at
    /// its address ([`SpawnError::AddrInUse`] before it is started, [`SpawnError::ForeignListener`] after).
    pub fn start(launch: &Launch, stop: &AtomicBool) -> Result<Target, SpawnError> {
        let mut listeners = Listeners::open()?;
        let (addr, folder) = match &launch.at {
            ListenAt::FreePort => (free_addr(&mut listeners)?.into(), None),
            ListenAt::FreePath => {
                let folder = SocketFolder::new()?;
                (folder.addr(), Some(folder))
            }
            ListenAt::Given(addr) => (usable(addr, &mut listeners)?, None),
        };
        let free_port = if addr.tcp().is_some() { 0 } else { free_addr(&mut listeners)?.port() };
        let assigned = Assigned::of(&addr, free_port);
        let mut target = Target::spawn(launch, addr, &assigned, folder)?;
        target.await_listener(launch, &mut listeners, stop)?;
        // The listener was found by another look at the processes, so the tree has to be updated.
        target.supervisor.tree();
        target.wait_until_idle(stop);
        Ok(target)
    }

    /// Where it listens.
    pub fn addr(&self) -> &ServerAddr {
        &self.addr
    }

    /// The command on one line.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Its last output.
    pub fn output(&self) -> String {
        self.supervisor.output.tail()
    }

    /// A watch of what it prints from now on. What it printed before, while it started, does not count.
    pub fn printed(&self) -> OutputWatch {
        self.supervisor.output.watch()
    }

    /// The pids of the roots of its process tree: the command, and those of its processes that listen.
    pub fn roots(&self) -> Vec<u32> {
        let command = Some(self.supervisor.command).filter(|pid| Process::open(*pid).is_ok());
        let owners = Listeners::open().and_then(|mut all| all.owners(&self.addr, self.descendants));
        let roots: BTreeSet<u32> = owners.into_iter().flatten().chain(command).collect();
        roots.into_iter().collect()
    }

    /// Its processes.
    pub fn descendants(&self) -> Descendants {
        self.descendants
    }

    /// Stops all its processes, as dropping it does. Returns the names of processes that could not be stopped, if any, for example
    /// another user's.
    pub fn stop(mut self) -> Option<String> {
        self.supervisor.stop()
    }

    fn spawn(
        launch: &Launch,
        addr: ServerAddr,
        assigned: &Assigned,
        folder: Option<SocketFolder>,
    ) -> Result<Target, SpawnError> {
        let words: Vec<OsString> = launch.command.iter().map(|word| assigned.fill_in(word)).collect();
        let line = line(&words);
        let environment = assigned.environment();
        let supervisor = Supervisor::start(&launch.supervisor, &words, &environment, launch.owns_orphans)
            .map_err(|source| SpawnError::Start { command: line.clone(), source })?;
        let descendants = Descendants::of(supervisor.pid());
        Ok(Target { command: line, addr, descendants, supervisor, _folder: folder })
    }

    fn await_listener(
        &mut self,
        launch: &Launch,
        listeners: &mut Listeners,
        stop: &AtomicBool,
    ) -> Result<(), SpawnError> {
        let began = Instant::now();
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(SpawnError::Interrupted);
            }
            // Checked before the listeners: a process that has exited by now may have listened until then.
            let ended = self.has_ended();
            // The processes must be known in case the supervisor is killed.
            self.supervisor.tree();
            match listeners.owner(&self.addr, self.descendants)? {
                Owner::Target { .. } => return Ok(()),
                Owner::ForeignListener(listener) => {
                    return Err(SpawnError::ForeignListener { command: self.command.clone(), listener });
                }
                Owner::NoListener => {}
            }
            if launch.at == ListenAt::FreePort
                // A server that asks for "localhost" may get `[::1]`, and one that asks for its own host name the address of an
                // interface.
                && let Some(addr) = listeners.address_of(self.descendants, self.addr.tcp().map(|addr| addr.port()))?
                && let Owner::Target { .. } = listeners.owner(&addr.into(), self.descendants)?
            {
                self.addr = addr.into();
                return Ok(());
            }
            if let Some(how) = ended {
                return Err(SpawnError::Ended {
                    command: self.command.clone(),
                    how,
                    addr: self.addr.clone(),
                    output: self.last_output(),
                });
            }
            if began.elapsed() >= launch.ready_timeout {
                if let Some(at) = other_namespaces::address_of(self.descendants)? {
                    let (command, addr) = (self.command.clone(), self.addr.clone());
                    return Err(SpawnError::OtherNamespace { command, addr, at });
                }
                return Err(SpawnError::NeverListened {
                    command: self.command.clone(),
                    addr: self.addr.clone(),
                    waited: launch.ready_timeout,
                    // The most likely mistake is a fixed port.
                    elsewhere: listeners.elsewhere(self.descendants)?,
                    output: self.last_output(),
                });
            }
            thread::sleep(LISTEN_POLL);
        }
    }

    /// How the command exited, if nothing will listen any more: it failed, or all its processes have exited. A command that
    /// succeeded may have left a server in the background, which needs a moment to listen.
    fn has_ended(&mut self) -> Option<String> {
        let ending = self.supervisor.ended().cloned()?;
        let is_alone = self.supervisor.tree().members().next().is_none();
        (!ending.success || is_alone).then_some(ending.how)
    }

    /// Waits until it is idle, at most [`SETTLING`]: memory that it allocates while it starts is not growth, and a proxy often
    /// listens before its upstream does.
    fn wait_until_idle(&self, stop: &AtomicBool) {
        let deadline = Instant::now() + SETTLING;
        let Ok(mut tree) = ProcessTree::new(self.roots()) else { return };
        self.descendants.add_to(&mut tree);
        let mut used = None;
        while Instant::now() < deadline && !stop.load(Ordering::Relaxed) {
            tree.rescan();
            let now = tree.read().processor_time;
            // Processor time is counted in steps of 10 ms: at most one step in 100 ms is idle.
            if used.is_some_and(|used| now.saturating_sub(used) <= Duration::from_millis(10)) {
                return;
            }
            used = Some(now);
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn last_output(&self) -> String {
        match self.supervisor.output.tail_at_end(LAST_OUTPUT) {
            tail if tail.is_empty() => "; it printed nothing".to_owned(),
            tail => format!("; its last output:\n{tail}"),
        }
    }
}

/// A command on one line, shortened if it is long.
fn line(words: &[OsString]) -> String {
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// An address where a command can listen: no process does yet, and a socket can be made there. A path is made absolute, since the
/// command may change its folder.
fn usable(addr: &ServerAddr, listeners: &mut Listeners) -> Result<ServerAddr, SpawnError> {
    let addr = addr.absolute();
    let listener = listeners.accepting(&addr)?.first().map(ForeignListener::of);
    if listener.is_some() || listeners.has_hidden(&addr) {
        return Err(SpawnError::AddrInUse { addr, listener });
    }
    if let ServerAddr::Unix(path) = &addr {
        socket_path::check(path).map_err(|problem| SpawnError::SocketPath { addr: addr.clone(), problem })?;
    }
    Ok(addr)
}

/// Characters of a command that are shown, for commands with thousands of arguments.
const LONGEST_LINE: usize = 1000;

/// Time for what a command printed to arrive: it is in the pipe already.
const LAST_OUTPUT: Duration = Duration::from_millis(20);

/// Interval at which to check whether the target listens: short compared with the start of any interpreter.
const LISTEN_POLL: Duration = Duration::from_millis(10);

/// The longest wait for an idle server. One that is always busy is attacked as it is.
const SETTLING: Duration = Duration::from_millis(1500);
