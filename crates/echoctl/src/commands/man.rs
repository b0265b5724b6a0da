//! `echoctl man`: prints the manual pages, which are generated from the text of `--help`.
//!
//! Two parts differ from clap_mangen's. The synopsis names the values of options. And the text after the help becomes
//! sections of its own, in which each example stays a command with an explanation: filled text would run them together.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::builder::{StringValueParser, TypedValueParser};
use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::{Cli, ENVIRONMENT, EXIT_CODES, called};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Data;
use crate::output::file::OutputFile;
use crate::values::Named;

/// Print a manual page
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Command [default: echoctl itself]
    #[arg(value_name = "COMMAND", value_parser = command_name(), hide_possible_values = true, conflicts_with = "all")]
    command: Option<String>,

    /// Write the pages of echoctl and of every command to DIR
    ///
    /// DIR is created if it does not exist.
    #[arg(long, value_name = "DIR")]
    all: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  echoctl man serve | man -l -                read the page of serve
  echoctl man --all ~/.local/share/man/man1   install all pages";

/// Accepts any name, since the error for an unknown one is ours.
fn command_name() -> impl TypedValueParser<Value = String> {
    let names = || {
        let program = Cli::command();
        let listed = program.get_subcommands().filter(|command| !command.is_hide_set());
        listed.map(|command| command.get_name().to_owned()).collect()
    };
    Named { names, parse: StringValueParser::new() }
}

pub(crate) fn run(args: Args) -> Outcome {
    let mut program = Cli::complete_command("echoctl");
    // Gives the subcommands their full names, as in echoctl-serve.
    program.build();
    if let Some(folder) = &args.all {
        return write_all(&program, folder);
    }
    let command = match &args.command {
        None => &program,
        Some(name) => program.find_subcommand(name).ok_or_else(|| {
            Failure::usage(format_args!("unknown command '{name}'"))
                .hint(format_args!("{} --help lists the commands", called()))
        })?,
    };
    Data::new().write_all(&page(command)?)?;
    Ok(Exit::Done)
}

/// Writes the pages of the program and of its commands to a folder, which is created with its parents.
fn write_all(program: &Command, folder: &Path) -> Outcome {
    fs::create_dir_all(folder).map_err(|error| {
        let why = if folder.exists() { "it is not a folder".to_owned() } else { error.to_string() };
        anyhow!("cannot write the manual pages to {}: {why}", folder.display())
    })?;
    let commands = program.get_subcommands().filter(|command| !command.is_hide_set());
    let files: Vec<(&Command, OutputFile)> = [program]
        .into_iter()
        .chain(commands)
        .map(|command| {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name());
            Ok((command, OutputFile::new(&folder.join(format!("{name}.1")))?))
        })
        .collect::<anyhow::Result<_>>()?;
    for (command, file) in files {
        file.write(page(command)?)?;
    }
    Ok(Exit::Done)
}

/// The page of a built command.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    // clap_mangen omits the help of options that `-h` does not list.
    let listed = command.clone().mut_args(|arg| arg.hide_short_help(false));
    let man = Man::new(listed.override_usage(synopsis(command)))
        .source(concat!("echoctl ", env!("CARGO_PKG_VERSION")))
        .manual("echoctl");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    // A list of options is neither justified nor hyphenated: a hyphen would look like a part of an option.
    page.write_all(b".ad l\n.nh\n")?;
    man.render_synopsis_section(&mut page)?;
    page.write_all(b".hy\n.ad b\n")?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let text = command.get_after_long_help().or(command.get_after_help());
    let text = text.map(ToString::to_string).unwrap_or_default();
    closing(&text).to_writer(&mut page)?;
    // Of every command; some list exit codes of their own.
    for (heading, common) in [("Exit codes:", EXIT_CODES), ("Environment:", ENVIRONMENT)] {
        if !text.lines().any(|line| line == heading) {
            closing(common).to_writer(&mut page)?;
        }
    }
    if command.get_version().is_some() {
        man.render_version_section(&mut page)?;
    }
    Ok(page)
}

/// The command with all its options and their values.
fn synopsis(command: &Command) -> String {
    let word = |arg: &Arg| match arg {
        arg if arg.is_last_set() => format!("[-- {arg}]"),
        arg if arg.is_positional() => arg.to_string(),
        arg => match arg.get_short() {
            Some(short) => format!("[-{short}|{arg}]"),
            None => format!("[{arg}]"),
        },
    };
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let (positional, options): (Vec<&Arg>, Vec<&Arg>) = shown.partition(|arg| arg.is_positional());
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let words = options.into_iter().chain(positional).map(word);
    let subcommand = command.has_subcommands().then(|| "<COMMAND>".to_owned());
    std::iter::once(name).chain(words).chain(subcommand).collect::<Vec<_>>().join(" ")
}

/// The most characters of a heading: a longer line that ends with a colon is a sentence.
const MAX_HEADING: usize = 20;

/// The text after the help. A line such as `Examples:` begins a section. An indented line in it is a term, such as a command,
/// with an explanation after two or more blanks, or indented further on the next line. Other lines are paragraphs.
fn closing(text: &str) -> Roff {
    let mut page = Roff::new();
    let mut has_section = false;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match line.trim() {
            "" => {}
            heading if indent == 0 && heading.ends_with(':') && heading.len() <= MAX_HEADING => {
                let name = match heading.trim_end_matches(':') {
                    "Exit codes" => "EXIT STATUS".to_owned(),
                    name => name.to_uppercase(),
                };
                page.control("SH", [name.as_str()]);
                has_section = true;
            }
            paragraph if indent == 0 => {
                if !has_section {
                    page.control("SH", ["NOTES"]);
                    has_section = true;
                }
                page.control("PP", []).text([roman(paragraph)]);
            }
            explanation if indent > 2 => drop(page.text([roman(explanation)])),
            example => {
                let (command, explanation) = example.split_once("  ").unwrap_or((example, ""));
                page.control("TP", []).text([bold(command)]);
                if !explanation.is_empty() {
                    page.text([roman(explanation.trim_start())]);
                }
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(name: &str) -> String {
        let mut program = Cli::complete_command("echoctl");
        program.build();
        let command = program.find_subcommand(name).expect("it is a command");
        String::from_utf8(page(command).expect("memory takes everything")).expect("it is text")
    }

    #[test]
    fn the_synopsis_names_the_values_of_options() {
        let page = page_of("serve");

        assert!(page.contains("[\\-\\-queue\\-limit <SIZE>]"), "{page}");
        assert!(page.contains("Colours: always, never, or auto"), "{page}");
        assert!(!page.contains("until\\-stdin\\-ends"), "what is hidden stays hidden");
    }

    #[test]
    fn an_example_is_a_command_and_an_explanation() {
        let page = page_of("send");

        assert!(
            page.contains(".SH EXAMPLES\n.TP\n\\fBecho hello | echoctl send\\fR\none frame, and its"),
            "{page}"
        );
        assert!(!page.contains("EXTRA"));
    }

    #[test]
    fn every_page_has_exit_status_and_environment_once() {
        for name in ["audit", "demo", "doctor", "send"] {
            let page = page_of(name);
            for section in [".SH \"EXIT STATUS\"", ".SH ENVIRONMENT"] {
                assert_eq!(page.matches(section).count(), 1, "{name} {section}: {page}");
            }
        }
    }
}
