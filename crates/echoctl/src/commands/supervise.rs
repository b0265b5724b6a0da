//! `echoctl supervise` (hidden): the process between `echoctl audit` and the command that it starts.

use std::ffi::OsString;
use std::io;

use echoctl_trial::spawn::supervise;

use crate::exit::{Exit, Outcome};

/// Run a command for `echoctl audit`, and stop all its processes when standard input is closed
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Supervises the command, and reports to the audit on standard output.
pub(crate) fn run(args: &Args) -> Outcome {
    supervise(&args.command);
    Ok(Exit::Done)
}

/// The words that start this program as a supervisor, to be followed by those of the command.
///
/// # Errors
/// When the path of this program cannot be determined.
pub(crate) fn words() -> io::Result<Vec<OsString>> {
    Ok(vec![std::env::current_exe()?.into(), NAME.into(), "--".into()])
}

/// The name of this command.
pub(crate) const NAME: &str = "supervise";
