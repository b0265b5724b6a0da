//! Exit codes: one number for each way a command can end, the same for all commands.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::interrupt;
use crate::output;

/// How a command ended. The numbers are a promise to scripts and CI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done; an audit found the server safe.
    Done = 0,
    /// It ran, and the answer is bad: bytes came back wrong, a server is unbounded, an error stopped it.
    Failed = 1,
    /// The command line makes no sense (clap uses the same number).
    Usage = 2,
    /// It ran, and there is no answer: slow, inconclusive, or not to be seen on this system.
    Inconclusive = 3,
    /// The target could not be reached or started.
    Unreachable = 4,
    /// Interrupted by Ctrl-C.
    Interrupted = 130,
}

/// What a command's `run` gives back.
pub(crate) type Outcome = Result<Exit, Failure>;

/// An error and the exit code it leads to. Any error converts into one with [`Exit::Failed`].
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    /// What to do about it, printed on lines of their own.
    hints: Vec<String>,
}

impl Failure {
    /// An error that ends the command with `exit`.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Failure {
        Failure { exit, error: error.into(), hints: Vec::new() }
    }

    /// The same with what to do about it: printed on a line of its own, after `hint: `.
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

/// Says on stderr what went wrong, if anything, and turns the outcome into the process's exit code.
///
/// A broken pipe on stdout is no fault: whoever read the output has seen enough. Where an interruption ended the wait for a
/// reader that has stopped, the exit code says that instead.
pub(crate) fn into_exit_code(outcome: Outcome) -> ExitCode {
    let exit = outcome.unwrap_or_else(|failure| match failure.error.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
        _ => {
            output::error(&failure);
            failure.exit
        }
    });
    if output::finish() {
        interrupt::end_now();
    }
    ExitCode::from(exit as u8)
}
