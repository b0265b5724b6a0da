//! The commands that `echoctl --help` lists, and the dispatch to them.

pub(crate) mod built_without;
mod called;
pub(crate) mod help;
mod usage_error;

use std::ffi::OsString;
use std::{env, process};

use clap::{Arg, ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub(crate) use called::{called, quoted};

#[cfg(feature = "live")]
use crate::commands::class;
use crate::commands::{
    audit, compare, completions, demo, dns, doctor, flood, lesson, man, ping, report, send, serve, supervise,
    watch,
};
use crate::exit::{Failure, Outcome};
use crate::output::{self, ColourChoice};

/// An instrument for backpressure in servers
///
/// When a producer is faster than its consumer, some queue between them fills. If no queue has a limit, memory grows until
/// the process dies: one client that stops reading takes the server down. echoctl shows where the bytes are (demo, serve,
/// flood, watch), explains why (lesson), and tests whether a server in any language has a limit (audit).
#[derive(Debug, Parser)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}\n\n{ENVIRONMENT}{}", built_without::help()), max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Colours: always, never, or auto (on a terminal, unless NO_COLOR is set or TERM is dumb)
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Options",
        hide_possible_values = true,
        hide_short_help = true
    )]
    color: ColourChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Flood(flood::Args),
    Watch(watch::Args),
    #[cfg(feature = "live")]
    Class(class::Args),
    Audit(Box<audit::Args>),
    Lesson(lesson::Args),
    Dns(dns::Args),
    Send(send::Args),
    Ping(ping::Args),
    Report(report::Args),
    Compare(compare::Args),
    Doctor(doctor::Args),
    Completions(completions::Args),
    Man(man::Args),
    #[command(hide = true)]
    Supervise(supervise::Args),
}

impl Cli {
    /// The command line of this process. Exits if it asks for help or is invalid: clap would print that too, but with
    /// arguments as they are.
    ///
    /// # Errors
    /// When the help cannot be printed.
    pub(crate) fn from_arguments() -> Result<Cli, Failure> {
        // Help and errors follow it too, and they are printed instead of the parsed command line.
        output::choose(colour_choice(env::args_os()));
        let parsed = Cli::complete_command(called())
            .try_get_matches()
            .and_then(|matches| Cli::from_arg_matches(&matches));
        let error = match parsed {
            Ok(cli) => {
                output::choose(cli.color);
                return Ok(cli);
            }
            Err(error) => error,
        };
        let exit_code = error.exit_code();
        if error.use_stderr() {
            let arguments: Vec<String> =
                env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
            output::note(usage_error::render(error, &arguments));
        } else {
            output::print_styled(&help::styled(error.render().to_string().trim_end()))?;
        }
        process::exit(exit_code)
    }

    /// The command with its version and the parts that all commands have. Examples call the program `program`.
    pub(crate) fn complete_command(program: &str) -> clap::Command {
        let version = Arg::new("version")
            .short('V')
            .short_alias('v')
            .long("version")
            .action(ArgAction::Version)
            // With all commands, the short help has as many lines as a terminal.
            .hide_short_help(true)
            .help("Print version");
        help::completed(
            Cli::command().version(built_without::version()).disable_version_flag(true).arg(version),
            program,
        )
    }

    /// Runs the command.
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Command::Demo(args) => demo::run(args),
            Command::Serve(args) => serve::run(args),
            Command::Flood(args) => flood::run(args),
            Command::Watch(args) => watch::run(args),
            #[cfg(feature = "live")]
            Command::Class(args) => class::run(args),
            Command::Audit(args) => audit::run(&args),
            Command::Lesson(args) => lesson::run(args),
            Command::Dns(args) => dns::run(args),
            Command::Send(args) => send::run(args),
            Command::Ping(args) => ping::run(args),
            Command::Report(args) => report::run(args),
            Command::Compare(args) => compare::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Completions(args) => completions::run(args),
            Command::Man(args) => man::run(args),
            Command::Supervise(args) => supervise::run(&args),
        }
    }
}

/// The value of `--color` in these arguments, before they are parsed.
fn colour_choice(arguments: impl Iterator<Item = OsString>) -> ColourChoice {
    let mut arguments =
        arguments.map_while(|argument| argument.into_string().ok()).take_while(|argument| argument != "--");
    let mut choice = ColourChoice::Auto;
    while let Some(argument) = arguments.next() {
        let value = match argument.as_str() {
            "--color" => arguments.next(),
            other => other.strip_prefix("--color=").map(str::to_owned),
        };
        choice = value.and_then(|value| ColourChoice::from_str(&value, false).ok()).unwrap_or(choice);
    }
    choice
}

const EXAMPLES: &str = "\
Examples:
  echoctl demo                           backpressure off and on, side by side
  echoctl serve --backpressure off       an echo server without backpressure
  echoctl flood --no-read                in another terminal: never read
  echoctl audit -- node server.js        test a server of your own
  echoctl lesson                         list the lessons";

/// What the exit codes mean for every command.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done; audit: the server is safe
  1    failed; audit: the server is not safe, or not as expected
  2    usage error
  3    no result; audit: slow or inconclusive
  4    the target could not be reached or started
  130  interrupted; by another signal: 128 and its number (SIGTERM: 143)";

/// The environment variables of every command.
pub(crate) const ENVIRONMENT: &str = "\
Environment:
  ECHOCTL_ADDR  default address of every command that takes one, except dns
  NO_COLOR      if set, no colours under --color auto";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::complete_command("echoctl").debug_assert();
    }

    #[test]
    fn colours_are_chosen_before_the_arguments_are_parsed() {
        let of = |line: &str| colour_choice(line.split(' ').map(OsString::from));

        assert_eq!(of("echoctl serve --color never --banana"), ColourChoice::Never);
        assert_eq!(of("echoctl --color=always"), ColourChoice::Always);
        assert_eq!(of("echoctl --color=purple"), ColourChoice::Auto);
        assert_eq!(of("echoctl audit -- grep --color=always"), ColourChoice::Auto);
    }
}
