//! The key `q` in the live views that have no other keys: it requests an exit, as Ctrl-C does.
//!
//! In the background the terminal belongs to the shell: nothing is read then, so that the command goes on there.

use std::io;

use crate::terminal::interrupt;

/// Listens to `q` until it is dropped, which restores the terminal.
pub(crate) struct QuitKey {
    listens: bool,
}

impl QuitKey {
    /// No key.
    pub(crate) fn none() -> QuitKey {
        QuitKey { listens: false }
    }

    /// Listens from now on, if stdin is a terminal and the command is in its foreground. Without that, or if the system refuses a
    /// thread, there is no such key; Ctrl-C remains.
    pub(crate) fn listen() -> QuitKey {
        QuitKey { listens: listen().is_ok() }
    }

    /// Whether there is such a key.
    pub(crate) fn listens(&self) -> bool {
        self.listens
    }
}

impl Drop for QuitKey {
    fn drop(&mut self) {
        if self.listens {
            crate::sys::restore_input();
        }
    }
}

#[cfg(unix)]
fn listen() -> io::Result<()> {
    use crate::sys;

    if sys::is_in_background() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    sys::read_keys_at_once()?;
    let started = echoctl_observe::start_thread("quit key", || {
        while let Ok(key) = sys::wait_for_key() {
            if key == b'q' {
                interrupt::request_exit();
                return;
            }
        }
    });
    started.map(drop).map_err(|error| {
        sys::restore_input();
        io::Error::other(error)
    })
}

/// There is no such key.
#[cfg(not(unix))]
fn listen() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
