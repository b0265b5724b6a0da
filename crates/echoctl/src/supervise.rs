//! `echoctl supervise` (hidden): the process between `echoctl audit` and the command that it starts.

use std::ffi::OsString;
use std::io;

use echoctl_audit::supervise;

use crate::exit::{Exit, Outcome};

/// Run a command for `echoctl audit`, and end it with all that it started when standard input ends
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Supervises. How the command fared is reported on standard output, to the audit.
pub(crate) fn run(args: &Args) -> Outcome {
    supervise(&args.command);
    Ok(Exit::Done)
}

/// The words that start this program as a supervisor; those of the command are to follow.
///
/// # Errors
/// When the system does not tell where this program is.
pub(crate) fn words() -> io::Result<Vec<OsString>> {
    Ok(vec![std::env::current_exe()?.into(), "supervise".into(), "--".into()])
}
