//! The command line of a client, as a user writes it in one argument.
//!
//! Words are split at blanks, with quotes and backslashes as in a shell, and the program is started directly. A line with anything
//! else that a shell acts on (variables, pipes, redirections, several commands) is run by `sh -c`. File names are not expanded in
//! the first form: `?` and `*` are frequent in URLs.

use std::str::FromStr;

use thiserror::Error;

/// A command line that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    text: String,
    words: Vec<String>,
}

/// Why a text is not a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CommandLineError {
    /// It has no words.
    #[error("the command is empty")]
    Empty,
    /// A quote is not closed.
    #[error("the quote {0} is not closed")]
    UnclosedQuote(char),
}

impl CommandLine {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The program and its arguments.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }
}

impl FromStr for CommandLine {
    type Err = CommandLineError;

    fn from_str(text: &str) -> Result<CommandLine, CommandLineError> {
        let split = Splitter::default().split(text)?;
        if split.words.is_empty() {
            return Err(CommandLineError::Empty);
        }
        let needs_shell = split.needs_shell || split.words[0].contains('=');
        let in_shell = || ["sh", "-c", text].map(str::to_owned).into();
        Ok(CommandLine { text: text.to_owned(), words: if needs_shell { in_shell() } else { split.words } })
    }
}

/// Splits a line into words.
#[derive(Debug, Default)]
struct Splitter {
    words: Vec<String>,
    /// The word that is not finished; it may be empty, as in `''`.
    word: Option<String>,
    needs_shell: bool,
}

impl Splitter {
    fn split(mut self, text: &str) -> Result<Splitter, CommandLineError> {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                ' ' | '\t' => self.words.extend(self.word.take()),
                '\'' => {
                    let word = self.word.get_or_insert_default();
                    quoted(&mut characters, word)?;
                }
                '"' => {
                    let word = self.word.get_or_insert_default();
                    self.needs_shell |= double_quoted(&mut characters, word)?;
                }
                '\\' => self.push(characters.next().unwrap_or('\\')),
                // A comment or a home directory, only at the beginning of a word.
                '#' | '~' if self.word.is_none() => self.shell(character),
                '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '\n' => self.shell(character),
                _ => self.push(character),
            }
        }
        self.words.extend(self.word.take());
        Ok(self)
    }

    fn push(&mut self, character: char) {
        self.word.get_or_insert_default().push(character);
    }

    fn shell(&mut self, character: char) {
        self.needs_shell = true;
        self.push(character);
    }
}

/// Reads up to the closing `'`.
fn quoted(characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), CommandLineError> {
    for character in characters {
        match character {
            '\'' => return Ok(()),
            _ => word.push(character),
        }
    }
    Err(CommandLineError::UnclosedQuote('\''))
}

/// Reads up to the closing `"`. Returns whether a shell would replace something in it.
fn double_quoted(characters: &mut std::str::Chars<'_>, word: &mut String) -> Result<bool, CommandLineError> {
    let mut needs_shell = false;
    while let Some(character) = characters.next() {
        match character {
            '"' => return Ok(needs_shell),
            '\\' => match characters.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                Some(other) => word.extend(['\\', other]),
                None => break,
            },
            _ => {
                needs_shell |= matches!(character, '$' | '`');
                word.push(character);
            }
        }
    }
    Err(CommandLineError::UnclosedQuote('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Vec<String>, CommandLineError> {
        text.parse::<CommandLine>().map(|line| line.words)
    }

    #[test]
    fn words_are_split_as_by_a_shell() {
        for (text, expected) in [
            ("curl -N http://x/a?b=1", &["curl", "-N", "http://x/a?b=1"][..]),
            ("  psql \t-c 'select  1' ", &["psql", "-c", "select  1"]),
            (r#"say "it's \"5\" \n" a\ b"#, &["say", r#"it's "5" \n"#, "a b"]),
            ("x '' \"\"y", &["x", "", "y"]),
            ("nc [::1] {port} a#b a~b c=d", &["nc", "[::1]", "{port}", "a#b", "a~b", "c=d"]),
            ("a '$x' \"\\$y\" \\$z", &["a", "$x", "$y", "$z"]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_only_a_shell_can_do_is_left_to_it() {
        for text in [
            "curl localhost:$PORT",
            "psql -c \"select $N\"",
            "a | b",
            "a; b",
            "a && b",
            "a </dev/null",
            "(a)",
            "a `b`",
            "cat ~/x",
            "a # comment",
            "X=1 a",
            "a\nb",
        ] {
            assert_eq!(words(text).unwrap(), ["sh", "-c", text]);
        }
    }

    #[test]
    fn an_incomplete_line_is_an_error() {
        assert_eq!(words(" \t"), Err(CommandLineError::Empty));
        assert_eq!(words("a 'b"), Err(CommandLineError::UnclosedQuote('\'')));
        assert_eq!(words("a \"b\\\""), Err(CommandLineError::UnclosedQuote('"')));
    }
}
