//! `echoctl completions`: generates scripts for the completion of this command line in shells.
//!
//! The scripts are made from a copy of the command line without its hidden parts. The parsers of the values know their names.

use std::io::Write;

use clap::Command;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Exit, Outcome};
use crate::output::Data;

/// Generate shell completions
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  source <(echoctl completions bash)     for this session
  echoctl completions fish > ~/.config/fish/completions/echoctl.fish";

pub(crate) fn run(args: Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut visible(&Cli::complete_command("echoctl")),
        "echoctl",
        &mut script,
    );
    Data::new().write_all(&script)?;
    Ok(Exit::Done)
}

/// The command without its hidden parts, which the generators would offer too.
fn visible(command: &Command) -> Command {
    Command::new(command.get_name().to_owned())
        .version(env!("CARGO_PKG_VERSION"))
        .about(command.get_about().cloned().unwrap_or_default())
        // They are among the arguments.
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()))
        .subcommands(command.get_subcommands().filter(|command| !command.is_hide_set()).map(visible))
}
