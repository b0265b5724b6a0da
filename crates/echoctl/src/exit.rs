//! Defines the exit codes, which are the same for all commands, and turns outcomes into them.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::output;
use crate::sys;
use crate::terminal::interrupt;

/// How a command ended. Scripts and CI rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done. An audit: the server is safe.
    Done = 0,
    /// Failed: replies were wrong, a server is unbounded, or an error stopped the command.
    Failed = 1,
    /// Usage error (clap uses the same number).
    Usage = 2,
    /// Neither passed nor failed: slow, inconclusive, or not visible on this system.
    Inconclusive = 3,
    /// The target could not be reached or started.
    Unreachable = 4,
    /// Interrupted: 130 is that of Ctrl-C. See [`code`](Exit::code).
    Interrupted = 130,
}

impl Exit {
    /// The exit code of the process. One that a signal interrupted has that signal's.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Interrupted => interrupt::exit_code(),
            _ => self as u8,
        }
    }
}

/// The result of a command's `run`.
pub(crate) type Outcome = Result<Exit, Failure>;

/// An error and its exit code. Any error converts into a failure with [`Exit::Failed`].
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    /// Remedies, each printed on a line of its own.
    hints: Vec<String>,
}

impl Failure {
    /// A failure with the exit code `exit`.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit, error: error.into(), hints: Vec::new() }
    }

    /// Its exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Adds a remedy, printed on a line of its own after `hint: `.
    pub(crate) fn hint(mut self, hint: impl fmt::Display) -> Failure {
        self.hints.push(hint.to_string());
        self
    }

    /// A usage error: the command line is invalid.
    pub(crate) fn usage(message: impl fmt::Display) -> Failure {
        Failure::new(Exit::Usage, anyhow::anyhow!("{message}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::new(Exit::Failed, error)
    }
}

/// Prints the error of a failure to stderr and returns the exit code of the process.
///
/// A broken pipe on stdout is not an error: the reader of the output has read enough. If an interruption ended the wait for a
/// stopped reader, the process exits as interrupted instead.
pub(crate) fn into_exit_code(outcome: Outcome) -> ExitCode {
    let exit = outcome.unwrap_or_else(|failure| match failure.error.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        _ => {
            output::error(&failure);
            failure.exit
        }
    });
    if output::finish() {
        interrupt::exit_now();
    }
    // A view whose threads still run has not done so.
    sys::restore_input();
    ExitCode::from(exit.code())
}
