//! The command line of this audit, as text to paste into a shell.

use crate::cli::{called, quoted};

/// This audit again.
pub(super) fn this() -> String {
    line(called(), given())
}

/// The words of the command line, without the program.
fn given() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
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

fn is_short(command: &[String]) -> bool {
    let length: usize = command.iter().map(|word| word.chars().count() + 1).sum();
    length <= LONGEST_COMMAND && !command.iter().any(|word| word.contains(char::is_control))
}

/// Characters of a command that is repeated: what people type or keep in a CI file. Generated ones can be much longer.
const LONGEST_COMMAND: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn with(words: &[&str]) -> String {
        line("echoctl", words.iter().map(|&word| word.to_owned()).collect())
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        let text = with(&["audit", "--request", r"stats\r\n", "--", "sh", "-c", "exec node 'a b.js'"]);

        assert_eq!(text, r"echoctl audit --request 'stats\r\n' -- sh -c 'exec node '\''a b.js'\'''");
    }

    #[test]
    fn a_command_that_does_not_fit_a_line_is_named() {
        for long in ["a\nb", &"x".repeat(301)] {
            assert_eq!(with(&["audit", "--", "sh", "-c", long]), "echoctl audit -- CMD");
        }
    }
}
