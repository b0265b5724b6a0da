//! The target: a server that the audit starts, and stops with everything that it started.
//!
//! The command is told its port as `$PORT` and wherever its arguments say `{port}`. It is ready when it listens there, which
//! the kernel's socket tables tell: no connection is made to find out, since some servers serve just one. A socket counts
//! only if processes of the command hold it, and nobody else; a stranger that listens there is neither connected to nor
//! signalled. Who the command's processes are is the supervisor's to know: see [`supervise`](crate::supervise()).

mod output;
mod port;
mod supervisor;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::ProcessTree;

use crate::Error;
use crate::attack::Permitted;
use crate::descendants::Descendants;
use crate::listeners::{ForeignListener, Listeners, Owner};
use output::Output;
use port::free_addr;
use supervisor::Supervisor;

/// A command to start, and how.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program and its arguments; `{port}` in any of them stands for the port.
    pub command: Vec<OsString>,
    /// Where it will listen; `None`: at a free port of loopback.
    pub addr: Option<SocketAddr>,
    /// How long it may take until it listens.
    pub ready_timeout: Duration,
    /// A program, with its first arguments, that calls [`supervise`](crate::supervise()) with the words that follow.
    pub supervisor: Vec<OsString>,
    /// Whether this process starts no other child, so that every orphan which it is given, should the supervisor be killed,
    /// is the command's, and is ended. Otherwise only those are that were seen before, or are in the supervisor's session.
    pub owns_orphans: bool,
}

/// A running server. Dropping it stops it and all that it started.
#[derive(Debug)]
pub struct Target {
    command: String,
    addr: SocketAddr,
    output: Output,
    descendants: Descendants,
    supervisor: Supervisor,
}

impl Target {
    /// Starts a command and waits until it listens.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not listen in time, each with the end of what it printed; when somebody
    /// else listens at its address ([`Error::AddrInUse`] before it is started, [`Error::ForeignListener`] after).
    pub fn start(launch: &Launch, stop: &AtomicBool) -> Result<Target, Error> {
        let mut listeners = match Listeners::open() {
            Ok(listeners) => Some(listeners),
            // Without them a stranger could not be told from the command.
            Err(source) if cfg!(target_os = "linux") => return Err(Error::ListenersNotVisible(source)),
            Err(_) => None,
        };
        let addr = match launch.addr {
            Some(addr) => {
                refuse_taken(addr, listeners.as_mut())?;
                addr
            }
            None => free_addr(listeners.as_mut())?,
        };
        let mut target = Target::spawn(launch, addr)?;
        target.await_listener(launch, &mut listeners, stop)?;
        // What listens was found by a look of its own: it must be known here as well.
        target.supervisor.tree();
        target.wait_until_idle(stop);
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

    /// The pids that are the roots of its process tree: the command, and those of its processes that listen.
    pub fn roots(&self) -> Vec<u32> {
        let mut roots = BTreeSet::new();
        let command = self.supervisor.command();
        if echoctl_observe::Process::open(command).is_ok() {
            roots.insert(command);
        }
        let holders = Listeners::open().and_then(|mut all| all.holders(self.addr, self.descendants));
        roots.extend(holders.into_iter().flatten());
        roots.into_iter().collect()
    }

    /// The permission to attack this target, and nobody in its place.
    pub fn permitted(&self) -> Permitted {
        Permitted::Target(self.descendants)
    }

    /// Stops it and all that it started, as dropping it does. Returns the names of processes that could not be stopped, if
    /// there are any: another user's.
    pub fn stop(mut self) -> Option<String> {
        self.supervisor.stop().map(str::to_owned)
    }

    fn spawn(launch: &Launch, addr: SocketAddr) -> Result<Target, Error> {
        let port = addr.port().to_string();
        let words: Vec<OsString> = launch
            .command
            .iter()
            .map(|word| match word.to_str() {
                Some(text) => text.replace("{port}", &port).into(),
                None => word.clone(),
            })
            .collect();
        let line = line(&words);
        let started = io::pipe().and_then(|(reader, writer)| {
            let output = Output::follow(reader).map_err(io::Error::other)?;
            let environment = ("PORT", port.as_str());
            let supervisor =
                Supervisor::start(&launch.supervisor, &words, environment, writer, launch.owns_orphans)?;
            Ok((supervisor, output))
        });
        let (supervisor, output) =
            started.map_err(|source| Error::Start { command: line.clone(), source })?;
        let descendants = Descendants::of(supervisor.pid());
        Ok(Target { command: line, addr, output, descendants, supervisor })
    }

    fn await_listener(
        &mut self,
        launch: &Launch,
        listeners: &mut Option<Listeners>,
        stop: &AtomicBool,
    ) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            // Looked at before the listeners are: what is found ended could have listened until then.
            let ended = self.has_ended();
            // Known from before, should the supervisor be killed.
            self.supervisor.tree();
            match self.owner(self.addr, listeners)? {
                Owner::Target { .. } => return Ok(()),
                Owner::ForeignListener(listener) => {
                    return Err(Error::ForeignListener { command: self.command.clone(), listener });
                }
                Owner::NoListener => {}
            }
            if launch.addr.is_none()
                && let Some(addr) = self.address(Some(self.addr.port()), listeners)?
                && let Owner::Target { .. } = self.owner(addr, listeners)?
            {
                self.addr = addr;
                return Ok(());
            }
            if let Some(how) = ended {
                return Err(Error::Ended {
                    command: self.command.clone(),
                    how,
                    port: self.addr.port(),
                    output: self.printed(),
                });
            }
            if began.elapsed() >= launch.ready_timeout {
                return Err(Error::NeverListened {
                    command: self.command.clone(),
                    port: self.addr.port(),
                    waited: launch.ready_timeout,
                    // The most likely mistake is a fixed port.
                    elsewhere: self.address(None, listeners)?,
                    output: self.printed(),
                });
            }
            thread::sleep(LISTEN_POLL);
        }
    }

    /// How the command ended, if nothing will listen any more: it failed, or all that it started has ended as well. A
    /// command that ends well may have left a server in the background, which needs a moment to listen.
    fn has_ended(&mut self) -> Option<String> {
        let ending = self.supervisor.ended().cloned();
        if self.supervisor.is_lost() {
            return Some("its supervisor was killed".to_owned());
        }
        let ending = ending?;
        let is_alone = self.supervisor.tree().members().next().is_none();
        (!ending.success || is_alone).then_some(ending.how)
    }

    fn owner(&self, addr: SocketAddr, listeners: &mut Option<Listeners>) -> Result<Owner, Error> {
        match listeners {
            Some(listeners) => listeners.owner(addr, self.descendants).map_err(Error::ListenersNotVisible),
            None if is_bound(addr) => Ok(Owner::Target { inodes: BTreeSet::new() }),
            None => Ok(Owner::NoListener),
        }
    }

    /// Where it listens, at `port` or at all: a server that asks for "localhost" may get `[::1]`, and one that asks for its
    /// own name the address of an interface.
    fn address(
        &self,
        port: Option<u16>,
        listeners: &mut Option<Listeners>,
    ) -> Result<Option<SocketAddr>, Error> {
        let Some(listeners) = listeners else { return Ok(None) };
        listeners.address_of(self.descendants, port).map_err(Error::ListenersNotVisible)
    }

    /// Waits until it has come to rest, at most [`SETTLING`]: what it allocates while it still starts is not growth, and a
    /// proxy often listens before what is behind it.
    fn wait_until_idle(&self, stop: &AtomicBool) {
        let deadline = Instant::now() + SETTLING;
        let Ok(mut tree) = ProcessTree::new(self.roots()) else { return };
        self.descendants.add_to(&mut tree);
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

    fn printed(&self) -> String {
        // The last words of a command that has just ended may still be on their way through the pipe.
        thread::sleep(Duration::from_millis(20));
        match self.output.tail() {
            tail if tail.is_empty() => "; it printed nothing".to_owned(),
            tail => format!("; its last output:\n{tail}"),
        }
    }
}

/// A command as one line for people; the end of a long one is left out.
fn line(words: &[OsString]) -> String {
    let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Refuses an address that somebody listens at already.
fn refuse_taken(addr: SocketAddr, listeners: Option<&mut Listeners>) -> Result<(), Error> {
    let Some(listeners) = listeners else {
        return if is_bound(addr) { Err(Error::AddrInUse { addr, listener: None }) } else { Ok(()) };
    };
    match listeners.accepting(addr).map_err(Error::ListenersNotVisible)?.first() {
        Some(socket) => Err(Error::AddrInUse { addr, listener: Some(ForeignListener::of(socket)) }),
        None => Ok(()),
    }
}

/// Whether something listens at `addr`, where the system does not tell: an address that is taken cannot be bound.
fn is_bound(addr: SocketAddr) -> bool {
    TcpListener::bind(addr).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Characters of a command that are shown: what tells it from others, also where it has thousands of arguments.
const LONGEST_LINE: usize = 1000;

/// How often it is looked whether the target listens: small beside the start of any interpreter.
const LISTEN_POLL: Duration = Duration::from_millis(10);

/// The longest that it is waited for rest. A server that is always busy must be attacked as it is.
const SETTLING: Duration = Duration::from_millis(1500);
