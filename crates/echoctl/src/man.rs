//! `echoctl man`: the manual, made from the same text as `--help`.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::exit::{Exit, Failure, Outcome};

/// Print a manual page: the program's, or that of one command
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print the page of this command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  echoctl man serve | man -l -                  read the page of serve
  echoctl man > ~/.local/share/man/man1/echoctl.1";

pub(crate) fn run(args: Args) -> Outcome {
    let mut program = Cli::command();
    // Gives the subcommands their full names: echoctl-serve.
    program.build();
    let command = match &args.command {
        None => &program,
        Some(name) => program.find_subcommand(name).ok_or_else(|| {
            Failure::usage(format_args!("there is no command '{name}': see echoctl --help"))
        })?,
    };
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    io::stdout().lock().write_all(&page)?;
    Ok(Exit::Done)
}
