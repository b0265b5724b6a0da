//! The reader of stdout: a command that prints events until it is interrupted ends when the reader has gone, as one that is killed has.
//!
//! The system tells at once where stdout is a pipe or a socket; elsewhere the next event that is written fails. Commands whose exit code is
//! their result, as that of `audit` is, go on to it instead.

use std::io;
#[cfg(unix)]
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::exit::Exit;
use crate::terminal::interrupt;

/// From now on an exit is requested when the reader of stdout has gone. For a command that has called
/// [`catch_signals`](interrupt::catch_signals).
pub(crate) fn end_with_reader() {
    ENDS_WITH_READER.store(true, Relaxed);
    // The end of a terminal is a signal.
    #[cfg(unix)]
    if !io::stdout().is_terminal() {
        // Without a thread the next event tells.
        let _ = echoctl_observe::start_thread("reader", || {
            if crate::sys::wait_until_stdout_is_unread() {
                lose_reader();
            }
        });
    }
}

/// How a command ends of which an exit was requested: with success if only its reader has gone.
pub(crate) fn requested_exit() -> Exit {
    if HAS_GONE.load(Relaxed) { Exit::Done } else { Exit::Interrupted }
}

/// Notes the result of a write to stdout.
pub(super) fn note_written(written: &io::Result<()>) {
    if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        && ENDS_WITH_READER.load(Relaxed)
    {
        lose_reader();
    }
}

fn lose_reader() {
    // A signal that came before counts.
    if interrupt::since().is_none() {
        HAS_GONE.store(true, Relaxed);
        interrupt::request_exit();
    }
}

/// Whether the command ends when the reader of stdout has gone.
static ENDS_WITH_READER: AtomicBool = AtomicBool::new(false);

/// Whether it has gone, and nothing else has requested an exit before.
static HAS_GONE: AtomicBool = AtomicBool::new(false);
