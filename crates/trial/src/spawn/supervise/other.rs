//! The supervisor on other systems, which do not list descendants: the command and, where they exist, its process group.

use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

#[cfg(unix)]
use crate::spawn::sys::{self, Signal};

/// Makes this process a supervisor.
pub(super) fn prepare() {
    #[cfg(unix)]
    sys::detach();
}

/// The command and its group.
#[derive(Debug, Clone)]
pub(super) struct Descendants(Arc<Mutex<Child>>);

impl Descendants {
    /// Only `command`.
    pub(super) fn of(command: Child) -> Descendants {
        Descendants(Arc::new(Mutex::new(command)))
    }

    /// Waits until it has exited. `ended` gets its status.
    pub(super) fn wait(&self, ended: impl Fn(ExitStatus)) {
        loop {
            // Not locked while waiting, so that others can kill it.
            let status = self.command().try_wait();
            match status {
                Ok(None) => thread::sleep(LOOK),
                Ok(Some(status)) => return ended(status),
                Err(_) => return,
            }
        }
    }

    /// Sends SIGTERM to it, where there are signals.
    pub(super) fn terminate(&self) {
        #[cfg(unix)]
        sys::signal_group(self.command().id(), Signal::Terminate);
    }

    /// Kills it.
    pub(super) fn kill(&self) {
        let mut command = self.command();
        #[cfg(unix)]
        sys::signal_group(command.id(), Signal::Kill);
        let _ = command.kill();
    }

    /// Its pid.
    pub(super) fn names(&self) -> String {
        format!("pid {}", self.command().id())
    }

    fn command(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Interval at which the exit of the command is checked.
const LOOK: Duration = Duration::from_millis(20);
