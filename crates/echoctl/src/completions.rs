//! `echoctl completions`: what a shell needs to know to complete this command line.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Exit, Outcome};

/// Print the completions of this command line for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Write them for this shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  source <(echoctl completions bash)            for this session
  echoctl completions fish > ~/.config/fish/completions/echoctl.fish";

pub(crate) fn run(args: Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "echoctl", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Exit::Done)
}
