//! `echoctl completions`: generates scripts for the completion of this command line in shells.
//!
//! The scripts are made from a copy of the command line without its hidden parts. In the copy, arguments with known values
//! list them, while the program itself accepts any text there so that it can explain an error.

use std::io::Write;

use clap::Command;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;
use echoctl_audit::Preset;
use echoctl_lab::lessons;
use echoctl_proto::Framing;

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
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let args = shown.map(|arg| match names(command.get_name(), arg.get_id().as_str()) {
        Some(names) => arg.clone().value_parser(PossibleValuesParser::new(names)),
        None => arg.clone(),
    });
    Command::new(named(command))
        .version(env!("CARGO_PKG_VERSION"))
        .about(command.get_about().cloned().unwrap_or_default())
        // They are among the arguments.
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(args)
        .subcommands(command.get_subcommands().filter(|command| !command.is_hide_set()).map(visible))
}

/// The values of an argument of a command, if the definition of the command line does not list them.
fn names(command: &str, argument: &str) -> Option<Vec<&'static str>> {
    Some(match (command, argument) {
        ("lesson", "lesson") => lessons::ALL.iter().map(|lesson| lesson.name).chain(["all"]).collect(),
        ("man", "command") => {
            let program = Cli::complete_command("echoctl");
            program.get_subcommands().filter(|command| !command.is_hide_set()).map(named).collect()
        }
        ("audit", "preset") => Preset::ALL.iter().map(|preset| preset.name).collect(),
        (_, "framing") => Framing::ALL.iter().map(|framing| framing.name()).collect(),
        _ => return None,
    })
}

/// The command's name with the static lifetime that clap requires. It leaks a dozen words in a program that exits now.
fn named(command: &Command) -> &'static str {
    command.get_name().to_owned().leak()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_with_listed_values_exist() {
        for (command, argument) in
            [("lesson", "lesson"), ("man", "command"), ("audit", "preset"), ("ping", "framing")]
        {
            assert!(names(command, argument).is_some_and(|names| !names.is_empty()), "{command} {argument}");
            let program = Cli::complete_command("echoctl");
            let found = program
                .find_subcommand(command)
                .and_then(|command| command.get_arguments().find(|arg| arg.get_id() == argument));
            assert!(found.is_some(), "{command} has no argument {argument}");
        }
    }
}
