//! The supervisor on other systems, which do not list descendants: the command and, where they exist, its process group.

use std::io;
use std::process::Child;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Event, Report};

/// Makes this process a supervisor.
pub(super) fn prepare() {
    #[cfg(unix)]
    crate::spawn::sys::detach();
}

/// The command and its group.
#[derive(Debug)]
pub(super) struct Descendants(Arc<Mutex<Child>>);

impl Descendants {
    /// Only `command`. `events` receives its exit, and that none is left then.
    ///
    /// # Errors
    /// When no thread can be started; the command is killed then.
    pub(super) fn new(command: Child, events: Sender<Event>) -> io::Result<Descendants> {
        let command = Arc::new(Mutex::new(command));
        let waited = command.clone();
        let waiting = thread::Builder::new().spawn(move || {
            loop {
                // Not locked while waiting, so that others can kill it.
                let ended = waited.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
                match ended {
                    Ok(None) => thread::sleep(LOOK),
                    Ok(Some(status)) => {
                        let report = Report::Ended { success: status.success(), how: status.to_string() };
                        // The receiver is gone only if this process is about to exit.
                        let _ = events.send(Event::Ended(report));
                        break;
                    }
                    Err(_) => break,
                }
            }
            let _ = events.send(Event::NoneLeft);
        });
        let mut descendants = Descendants(command);
        match waiting {
            Ok(_) => Ok(descendants),
            Err(error) => {
                descendants.kill();
                Err(error)
            }
        }
    }

    /// Sends SIGTERM to it, where there are signals.
    pub(super) fn terminate(&mut self) {
        #[cfg(unix)]
        {
            let command = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = crate::spawn::sys::signal_group(command.id(), crate::spawn::sys::Signal::Terminate);
        }
    }

    /// Kills it.
    pub(super) fn kill(&mut self) {
        let mut command = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(unix)]
        let _ = crate::spawn::sys::signal_group(command.id(), crate::spawn::sys::Signal::Kill);
        let _ = command.kill();
    }

    /// Its pid.
    pub(super) fn names(&mut self) -> String {
        format!("pid {}", self.0.lock().unwrap_or_else(PoisonError::into_inner).id())
    }
}

/// Interval at which the exit of the command is checked.
const LOOK: Duration = Duration::from_millis(20);
