//! The key `q` in the live views that have no others, or few: it requests an exit, as Ctrl-C does.
//!
//! In the background the terminal belongs to the shell: nothing is read then, so that the command goes on there.

use std::io;

use crate::terminal::interrupt;

/// Listens to `q` until it is dropped, which restores the terminal.
pub(crate) struct QuitKey {
    listens: bool,
}

impl QuitKey {
    /// Listens from now on, if stdin is a terminal and the command is in its foreground. Without that, or if the system refuses a
    /// thread, there is no such key; Ctrl-C remains.
    pub(crate) fn listen() -> QuitKey {
        QuitKey::listen_with(|_| ())
    }

    /// As [`listen`](QuitKey::listen), and calls `other` with every other byte that a key sends.
    pub(crate) fn listen_with(other: impl Fn(u8) + Send + 'static) -> QuitKey {
        QuitKey { listens: listen(other).is_ok() }
    }

    /// Whether it could listen now: see [`listen`](QuitKey::listen).
    #[cfg(unix)]
    pub(crate) fn is_possible() -> bool {
        io::IsTerminal::is_terminal(&io::stdin()) && !crate::sys::is_in_background()
    }

    /// It never could.
    #[cfg(not(unix))]
    pub(crate) fn is_possible() -> bool {
        false
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
fn listen(other: impl Fn(u8) + Send + 'static) -> io::Result<()> {
    use crate::sys;

    if sys::is_in_background() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    sys::read_keys_at_once()?;
    let started = echoctl_observe::start_thread("quit key", move || {
        while let Ok(key) = sys::wait_for_key() {
            if key == b'q' {
                interrupt::request_exit();
                return;
            }
            other(key);
        }
    });
    started.map(drop).map_err(|error| {
        sys::restore_input();
        io::Error::other(error)
    })
}

/// There is no such key.
#[cfg(not(unix))]
fn listen(_: impl Fn(u8) + Send + 'static) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
