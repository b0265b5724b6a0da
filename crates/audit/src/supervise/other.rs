//! Other systems: the command and, where there are process groups, its group. Nothing lists what else is below it.

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
    crate::sys::detach();
}

/// The command, and its group.
#[derive(Debug)]
pub(super) struct Descendants(Arc<Mutex<Child>>);

impl Descendants {
    /// `command` alone. `events` is told how it ends, and that none is left then.
    ///
    /// # Errors
    /// When no thread can be started; the command is killed then.
    pub(super) fn new(command: Child, events: Sender<Event>) -> io::Result<Descendants> {
        let command = Arc::new(Mutex::new(command));
        let waited = command.clone();
        let waiting = thread::Builder::new().spawn(move || {
            loop {
                // Not held while it is waited for: others must be able to kill it.
                let ended = waited.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
                match ended {
                    Ok(None) => thread::sleep(LOOK),
                    Ok(Some(status)) => {
                        let report = Report::Ended { success: status.success(), how: status.to_string() };
                        // Nobody waits for it any more only when this process is about to end.
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

    /// Asks it to end, where there is a way to ask.
    pub(super) fn terminate(&mut self) {
        #[cfg(unix)]
        {
            let command = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = crate::sys::signal_group(command.id(), crate::sys::Signal::Terminate);
        }
    }

    /// ConnectionCounters it.
    pub(super) fn kill(&mut self) {
        let mut command = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        #[cfg(unix)]
        let _ = crate::sys::signal_group(command.id(), crate::sys::Signal::Kill);
        let _ = command.kill();
    }

    /// Its pid.
    pub(super) fn names(&mut self) -> String {
        format!("pid {}", self.0.lock().unwrap_or_else(PoisonError::into_inner).id())
    }
}

/// How often it is looked whether the command has ended.
const LOOK: Duration = Duration::from_millis(20);
