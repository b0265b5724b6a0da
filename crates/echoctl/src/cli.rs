//! The commands: what `echoctl --help` lists.

use std::process;

use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};
use echoctl_record::printable;

use crate::audit;
use crate::compare;
use crate::completions;
use crate::demo;
use crate::dns;
use crate::doctor;
use crate::exit::{Failure, Outcome, indent_continuations};
use crate::flood;
use crate::lesson;
use crate::man;
use crate::output;
use crate::ping;
use crate::report;
use crate::send;
use crate::serve;
use crate::supervise;
use crate::watch;

/// The instrument for backpressure: see where every byte waits, learn why, and prove that a server is safe.
///
/// A producer faster than its consumer fills some queue. If no queue has a limit, memory grows until the process dies:
/// a client that just stops reading takes the server down.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Flood(flood::Args),
    Watch(watch::Args),
    Audit(audit::Args),
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
    /// The command line of this process. Ends the process where that asks for help or is none: clap would print it too, but
    /// arguments as they are.
    ///
    /// # Errors
    /// When the help cannot be printed.
    pub(crate) fn from_arguments() -> Result<Cli, Failure> {
        let error = match Cli::try_parse() {
            Ok(cli) => return Ok(cli),
            Err(error) => quotable(error),
        };
        let mut text = error.render().to_string();
        // What a value's own parser says of it may quote it too.
        if let Some(source) = std::error::Error::source(&error).map(ToString::to_string) {
            text = text.replace(&source, &indent_continuations(&source));
        }
        if error.use_stderr() {
            output::note(text.trim_end());
        } else {
            output::print(text.trim_end())?;
        }
        process::exit(error.exit_code())
    }

    /// Runs the command that was asked for.
    pub(crate) fn run(self) -> Outcome {
        match self.command {
            Command::Demo(args) => demo::run(args),
            Command::Serve(args) => serve::run(args),
            Command::Flood(args) => flood::run(args),
            Command::Watch(args) => watch::run(args),
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

/// The same error with the words that it quotes on one line each.
fn quotable(mut error: clap::Error) -> clap::Error {
    let quoted: Vec<(ContextKind, ContextValue)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(word) => Some((kind, ContextValue::String(printable(word).into_owned()))),
            ContextValue::Strings(words) => {
                let words = words.iter().map(|word| printable(word).into_owned()).collect();
                Some((kind, ContextValue::Strings(words)))
            }
            _ => None,
        })
        .collect();
    for (kind, value) in quoted {
        error.insert(kind, value);
    }
    error
}

const EXAMPLES: &str = "\
Examples:
  echoctl demo                                  see it happen: 10 seconds, one page to keep
  echoctl serve --backpressure off              in one terminal: an echo server with the bug
  echoctl flood --no-read                       in another: a client that sends and never reads
  echoctl audit -- node server.js               prove it: can a client that does not read exhaust this server?
  echoctl lesson                                learn why: fifteen questions, each with an experiment";
