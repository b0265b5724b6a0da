//! The command line of this audit, or of one with another stimulus, as text to paste into a shell.

use crate::cli::{called, quoted};

/// This audit again.
pub(super) fn this() -> String {
    line(called(), given())
}

/// This audit with the options `stimulus` in place of those that chose what was sent. Whatever else was given stays as it was.
pub(super) fn with_stimulus(stimulus: &[&str]) -> String {
    line(called(), replaced(given(), stimulus))
}

/// The words of the command line, without the program.
fn given() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

fn replaced(words: Vec<String>, stimulus: &[&str]) -> Vec<String> {
    let (options, command) = words.split_at(command_in(&words));
    let name = options.iter().position(|word| word == NAME).map_or(0, |at| at + 1);
    let (before, options) = options.split_at(name);
    let stimulus = stimulus.iter().map(|&word| word.to_owned());
    before.iter().cloned().chain(stimulus).chain(kept(options)).chain(command.iter().cloned()).collect()
}

/// The words as a shell reads them. A command that fits no line is only named.
fn line(program: &str, mut words: Vec<String>) -> String {
    let command = command_in(&words) + 1;
    if words.get(command..).is_some_and(|command| !is_short(command)) {
        words.truncate(command);
        words.push("CMD".to_owned());
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("{program} {}", words.join(" "))
}

/// Where the `--` before the server's command is, or the end.
fn command_in(words: &[String]) -> usize {
    words.iter().position(|word| word == "--").unwrap_or(words.len())
}

/// The options without those that choose the stimulus, and without their values.
fn kept(options: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut options = options.iter();
    while let Some(word) = options.next() {
        let name = word.split_once('=').map_or(word.as_str(), |(name, _)| name);
        if WITH_VALUE.contains(&name) {
            if name == word {
                options.next();
            }
        } else if !WITHOUT_VALUE.contains(&name) {
            kept.push(word.clone());
        }
    }
    kept
}

fn is_short(command: &[String]) -> bool {
    let length: usize = command.iter().map(|word| word.chars().count() + 1).sum();
    length <= LONGEST_COMMAND && !command.iter().any(|word| word.contains(char::is_control))
}

/// The subcommand.
const NAME: &str = "audit";

/// The options that choose what is sent, …
const WITH_VALUE: [&str; 3] = ["--preset", "--script", "--request"];

/// … and how often.
const WITHOUT_VALUE: [&str; 2] = ["--once", "--repeat"];

/// Characters of a command that is repeated: what people type or keep in a CI file. Generated ones can be much longer.
const LONGEST_COMMAND: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn with(words: &[&str], stimulus: &[&str]) -> String {
        line("echoctl", replaced(words.iter().map(|&word| word.to_owned()).collect(), stimulus))
    }

    #[test]
    fn the_stimulus_is_replaced_and_all_else_is_kept() {
        let http = ["--preset", "http-get:/"];
        for (given, expected) in [
            (&["audit", "--", "node", "server.js"][..], "audit --preset http-get:/ -- node server.js"),
            (&["audit", "--preset", "raw", "8080"], "audit --preset http-get:/ 8080"),
            (&["audit", "8080", "--preset=raw", "-c", "4"], "audit --preset http-get:/ 8080 -c 4"),
            (
                &["audit", "--request", "a b", "--once", "--expect", "bounded", "--", "x", "--once"],
                "audit --preset http-get:/ --expect bounded -- x --once",
            ),
        ] {
            assert_eq!(with(given, &http), format!("echoctl {expected}"));
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        let text = with(&["audit", "--", "sh", "-c", "exec node 'a b.js'"], &["--request", r"stats\r\n"]);

        assert_eq!(text, r"echoctl audit --request 'stats\r\n' -- sh -c 'exec node '\''a b.js'\'''");
    }

    #[test]
    fn a_command_that_does_not_fit_a_line_is_named() {
        for long in ["a\nb", &"x".repeat(301)] {
            assert_eq!(with(&["audit", "--", "sh", "-c", long], &[]), "echoctl audit -- CMD");
        }
    }
}
