//! A running client of any command, which can be frozen.
//!
//! It runs below a supervisor of its own, as a [`Target`](super::Target) does, so that all its processes are known and stopped at
//! the end, even if this process is killed. Its standard input stays open and empty, because some clients exit at the end of their
//! input.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::{Duration, Instant};

use echoctl_observe::ServerAddr;

use super::assigned::Assigned;
use super::supervisor::Supervisor;
use super::{CommandLine, Descendants, SpawnError};

/// A client's command, and how to start it.
#[derive(Debug, Clone)]
pub struct ClientLaunch {
    /// The command; `{port}`, `{addr}` and `{socket}` in it are replaced by those of the server.
    pub command: CommandLine,
    /// As in [`Launch::supervisor`](super::Launch::supervisor).
    pub supervisor: Vec<OsString>,
}

/// A running client. Dropping it stops all its processes.
#[derive(Debug)]
pub struct ClientCommand {
    descendants: Descendants,
    supervisor: Supervisor,
}

impl ClientCommand {
    /// Starts the command, for the server at `addr`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(launch: &ClientLaunch, addr: &ServerAddr) -> Result<ClientCommand, SpawnError> {
        let (assigned, text) = (Assigned::of(addr, 0), addr.to_string());
        let fill_in = |word: &String| assigned.fill_in(word.replace("{addr}", &text).as_ref());
        let words: Vec<OsString> = launch.command.words().iter().map(fill_in).collect();
        // The server's supervisor is another child of this process.
        let owns_orphans = false;
        let supervisor = Supervisor::start(&launch.supervisor, &words, &assigned.environment(), owns_orphans)
            .map_err(|source| SpawnError::Start { command: launch.command.text().to_owned(), source })?;
        let descendants = Descendants::of(supervisor.pid());
        Ok(ClientCommand { descendants, supervisor })
    }

    /// The inodes of the sockets that its processes have open.
    pub fn sockets(&self) -> BTreeSet<u32> {
        self.descendants.sockets()
    }

    /// How the command exited, if it has. Processes that it started may still be running.
    pub fn ended(&mut self) -> Option<String> {
        self.supervisor.ended().map(|ending| ending.how.clone())
    }

    /// Whether none of its processes is running any more.
    pub fn is_over(&mut self) -> bool {
        self.ended().is_some() && self.supervisor.tree().members().next().is_none()
    }

    /// Its last output, without the control characters in it.
    pub fn output(&self) -> String {
        self.supervisor.output.tail_at_end(LAST_OUTPUT)
    }

    /// Bytes that it has printed.
    pub fn printed(&self) -> u64 {
        self.supervisor.output.length()
    }

    /// Suspends all its processes (SIGSTOP), and returns when none of them runs any more. Processes that were started meanwhile are
    /// suspended too. Call it again to suspend one that something else has continued.
    ///
    /// # Errors
    /// [`SpawnError::NotFrozen`] when one cannot be suspended: it runs as another user, or the system cannot.
    pub fn freeze(&mut self) -> Result<(), SpawnError> {
        let deadline = Instant::now() + FREEZING;
        let mut quiet = 0;
        while quiet < QUIET_LOOKS {
            match self.suspend() {
                None => quiet += 1,
                Some(processes) if Instant::now() >= deadline => {
                    return Err(SpawnError::NotFrozen { processes });
                }
                Some(_) => {
                    quiet = 0;
                    std::thread::sleep(BETWEEN_SIGNALS);
                }
            }
        }
        Ok(())
    }

    /// Lets all its processes continue (SIGCONT).
    #[cfg(target_os = "linux")]
    pub fn thaw(&mut self) {
        for process in self.supervisor.tree().members() {
            super::sys::signal(process, super::sys::Signal::Continue);
        }
    }

    /// Signals those that are not suspended, and returns their names, if there were any.
    #[cfg(target_os = "linux")]
    fn suspend(&mut self) -> Option<String> {
        let tree = self.supervisor.tree();
        let running: Vec<_> = tree.members().filter(|process| !process.is_suspended()).collect();
        for process in &running {
            super::sys::signal(process, super::sys::Signal::Stop);
        }
        (!running.is_empty()).then(|| super::descendants::names(running))
    }

    /// Lets all its processes continue.
    #[cfg(not(target_os = "linux"))]
    pub fn thaw(&mut self) {}

    /// Other systems do not list descendants.
    #[cfg(not(target_os = "linux"))]
    fn suspend(&mut self) -> Option<String> {
        Some("the client".to_owned())
    }

    /// Stops all its processes, as dropping it does. Returns the names of processes that could not be stopped, if any.
    pub fn stop(mut self) -> Option<String> {
        self.supervisor.stop()
    }
}

/// Time limit for suspending: a process in an uninterruptible call takes until the call returns.
const FREEZING: Duration = Duration::from_secs(2);

/// Looks that find nothing running: a process whose parent exits during a look is missed by it.
const QUIET_LOOKS: u32 = 2;

/// Time between two looks at processes that were signalled: the kernel suspends them in less.
const BETWEEN_SIGNALS: Duration = Duration::from_millis(1);

/// Time for what a command printed to arrive: it is in the pipe already.
const LAST_OUTPUT: Duration = Duration::from_millis(50);
