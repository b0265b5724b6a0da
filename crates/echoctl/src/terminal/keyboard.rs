//! Keys of the terminal behind stdin, and what else ends a wait: a new size of the terminal, or the request to exit.
//!
//! ```text
//! a thread that reads keys ───────┐
//! a thread that waits for signals ┴─ queue of 64 ── Keyboard::wait, until a time
//! ```
//!
//! Ctrl-C, Ctrl-Z and Ctrl-S are not keys here: the terminal still turns them into signals and flow control, so that they do
//! what they do everywhere, also while this process is busy.

use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use echoctl_observe::start_thread;
use ratatui_crossterm::crossterm::event::{self, Event, KeyEvent, KeyEventKind};

use crate::sys;
use crate::terminal::interrupt;

/// The keys of a live view, until it is dropped.
pub(crate) struct Keyboard {
    inputs: Receiver<Input>,
}

/// What ends a wait before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    Key(KeyEvent),
    /// The terminal has a new size.
    Resize,
    /// An exit is requested: see [`interrupt`].
    Exit,
}

impl Keyboard {
    /// Reads keys from now on if stdin is a terminal.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(crate) fn listen() -> Result<Keyboard, echoctl_observe::Error> {
        let (sender, inputs) = mpsc::sync_channel(QUEUE);
        let on_exit = sender.clone();
        interrupt::on_request(move || {
            // An error means that the view has ended.
            let _ = on_exit.send(Input::Exit);
        })?;
        // Dropped, and thus the terminal restored, if the thread is refused.
        let keyboard = Keyboard { inputs };
        if io::stdin().is_terminal() && read_keys_at_once().is_ok() {
            start_thread("keys", move || forward(&sender))?;
        }
        Ok(keyboard)
    }

    /// The next input; `None` if there is none for this long.
    pub(crate) fn wait(&self, timeout: Duration) -> Option<Input> {
        let end = Instant::now().checked_add(timeout);
        match self.inputs.recv_timeout(timeout) {
            Ok(input) => Some(input),
            Err(RecvTimeoutError::Timeout) => None,
            // Both threads have ended. An exit was delivered then, so this is not reached; it must not be a busy loop.
            Err(RecvTimeoutError::Disconnected) => {
                let left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
                interrupt::wait(left).then_some(Input::Exit)
            }
        }
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        sys::restore_input();
    }
}

/// The thread that reads: ends when the terminal or the view has gone.
fn forward(to: &SyncSender<Input>) {
    loop {
        let input = match event::read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => Input::Key(key),
            Ok(Event::Resize(..)) => Input::Resize,
            Ok(_) => continue,
            Err(_) => return,
        };
        if to.send(input).is_err() {
            return;
        }
    }
}

#[cfg(unix)]
fn read_keys_at_once() -> io::Result<()> {
    sys::read_keys_at_once()
}

/// There are no keys: `watch` needs Linux.
#[cfg(not(unix))]
fn read_keys_at_once() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Inputs that wait for the view. More keys wait in the terminal.
const QUEUE: usize = 64;
