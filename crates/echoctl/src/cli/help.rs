//! Help as it is printed: options under headings, examples with the program's name as it was called.

use clap::builder::{Resettable, StyledStr};
use clap::{Arg, ArgAction, Command};

use crate::output::Styled;

/// Completes a command and its subcommands: `-h` and whatever has no heading under `Options`, which comes last, and
/// `program` in the examples.
pub(crate) fn completed(command: Command, program: &str) -> Command {
    let help = Arg::new("help")
        .short('h')
        .long("help")
        .action(ArgAction::Help)
        .help("Print help (--help: all options, explained)")
        .help_heading(OPTIONS)
        .display_order(LAST);
    let with_heading = |arg: Arg| match arg.get_help_heading() {
        None if !arg.is_positional() => arg.help_heading(OPTIONS),
        _ => arg,
    };
    let text = command.get_after_long_help().map(|text| StyledStr::from(named(&text.to_string(), program)));
    command
        .after_long_help(Resettable::from(text))
        .mut_args(with_heading)
        .disable_help_flag(true)
        .arg(help)
        .mut_subcommands(|subcommand| completed(subcommand, program))
}

/// The text with its headings set off.
pub(crate) fn styled(text: &str) -> Styled {
    text.split_inclusive('\n').fold(Styled::default(), |styled, line| match heading(line) {
        Some(end) => styled.then(Styled::strong(&line[..end])).then(&line[end..]),
        None => styled.then(line),
    })
}

/// Where the heading that a line begins with ends.
fn heading(line: &str) -> Option<usize> {
    let words = line.trim_end();
    match words.find(':').map(|colon| colon + 1) {
        Some(end) if !line.starts_with(' ') && (end == words.len() || line.starts_with("Usage:")) => {
            Some(end)
        }
        _ => None,
    }
}

/// The text after the help, in which commands call the program `program`. Explanations of commands keep their column, or move
/// to the next line where the longer name leaves no room. A command that is too long for a line continues on the next one.
fn named(text: &str, program: &str) -> String {
    if program == NAME {
        return text.to_owned();
    }
    let line = |line: &str| {
        let Some(example) = line.strip_prefix("  ").filter(|example| !example.starts_with(' ')) else {
            return line.to_owned();
        };
        let (command, explanation) = example.split_once("  ").unwrap_or((example, ""));
        let explanation = explanation.trim_start();
        let command = renamed(command, program);
        let column = line.len() - explanation.len();
        match explanation {
            "" => format!("  {}", continued(&command, MAX_COMMAND)),
            // Two blanks on the left, and at least two between.
            _ if command.chars().count() + 4 <= column => {
                format!("  {command:<width$}{explanation}", width = column - 2)
            }
            _ => format!("  {}\n      {explanation}", continued(&command, MAX_COMMAND)),
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The shell command, continued on further lines before options, redirections and pipes as far as it is longer than `columns`. It
/// can still be pasted into a shell.
pub(crate) fn continued(command: &str, columns: usize) -> String {
    let is_break =
        |at: usize, rest: &str| [" --", " >", " |"].iter().any(|begin| rest[at..].starts_with(begin));
    let (mut lines, mut rest, mut room) = (String::new(), command, columns);
    while rest.chars().count() > room {
        let fits = |at: usize| rest[..at].chars().count() + CONTINUES.len() <= room;
        let mut blanks = rest.rmatch_indices(' ').map(|(at, _)| at);
        let Some(at) = blanks.find(|at| is_break(*at, rest) && fits(*at)) else { break };
        lines += &format!("{}{CONTINUES}\n  {INDENT}", &rest[..at]);
        rest = &rest[at + 1..];
        room = columns.saturating_sub(INDENT.len());
    }
    lines + rest
}

/// A shell command in which words that call this program call it `program`.
pub(crate) fn renamed(command: &str, program: &str) -> String {
    let (mut renamed, mut rest) = (String::new(), command);
    while let Some(at) = rest.find(NAME) {
        let (before, behind) = (&rest[..at], &rest[at + NAME.len()..]);
        let is_word = (before.is_empty() || before.ends_with([' ', '(']))
            && (behind.is_empty() || behind.starts_with([' ', ')']));
        renamed.push_str(before);
        renamed.push_str(if is_word { program } else { NAME });
        rest = behind;
    }
    renamed + rest
}

/// The name of the program in the texts.
const NAME: &str = "echoctl";

/// Before a further line of a command, beyond what is before its first.
const INDENT: &str = "    ";

/// Ends a line of a shell command that continues on the next one.
const CONTINUES: &str = " \\";

/// The most characters of a command that fits a line of 80 with two blanks before it.
const MAX_COMMAND: usize = 78;

/// The heading of options that have no other.
const OPTIONS: &str = "Options";

/// The place of `-h` among the options: after all others.
const LAST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLES: &str = "\
Examples:
  echoctl serve --backpressure off         see echoctl.html
  echo hello | echoctl send                one frame
  source <(echoctl completions bash)

Verdicts:
  bounded    it stopped reading";

    #[test]
    fn examples_call_the_program_as_it_was_called() {
        assert_eq!(named(EXAMPLES, "echoctl"), EXAMPLES);
        assert_eq!(
            named(EXAMPLES, "./bin/echoctl"),
            "\
Examples:
  ./bin/echoctl serve --backpressure off   see echoctl.html
  echo hello | ./bin/echoctl send          one frame
  source <(./bin/echoctl completions bash)

Verdicts:
  bounded    it stopped reading"
        );
        assert!(named(EXAMPLES, "./target/debug/echoctl").contains("off\n      see echoctl.html\n"));
    }

    #[test]
    fn a_long_command_is_continued_before_an_option() {
        let path = "./a/folder/backpressure/target/release/echoctl";
        let example = named("  echoctl flood --no-read --for 5s --then-read  is any lost?", path);

        assert_eq!(
            example,
            format!("  {path} flood --no-read --for 5s \\\n      --then-read\n      is any lost?")
        );
        assert_eq!(continued(path, MAX_COMMAND), path);
    }

    #[test]
    fn a_command_continues_on_as_many_lines_as_it_needs() {
        let command = "head -c 64M /dev/zero | tr x y | echoctl send --framing u16 | wc -c";

        assert_eq!(
            continued(command, 32),
            "head -c 64M /dev/zero | tr x y \\\n      | echoctl send \\\n      --framing u16 | wc -c"
        );
    }

    #[test]
    fn headings_are_set_off() {
        assert_eq!((heading("Options:\n"), heading("Usage: echoctl serve\n")), (Some(8), Some(6)));
        assert_eq!((heading("  -h: short\n"), heading("One: two\n"), heading("\n")), (None, None, None));
    }
}
