//! Styled text: the only source of the escape sequences for colours and bold text.
//!
//! A part is text and a style. Its text is made [printable](printable_lines) when it is printed, and the escape sequences are
//! added around it, so a part may contain foreign text.

use std::fmt;

use echoctl_record::printable_lines;
use echoctl_report::terminal::{self, Colour};
use echoctl_report::{Chart, Ink, plain};

use super::colour::is_plain;

/// Pieces of text, each with a style.
#[derive(Debug, Clone, Default)]
pub(crate) struct Styled {
    parts: Vec<(Style, String)>,
}

/// The style of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Strong,
    /// The word that begins an error, a warning or a hint, in the colours that cargo and rustc use.
    Error,
    Warning,
    Hint,
    /// As on paper, whatever the colours of the terminal are.
    #[cfg(feature = "live")]
    BlackOnWhite,
    Ink(Ink),
}

impl Styled {
    /// Bold text.
    pub(crate) fn strong(text: impl fmt::Display) -> Styled {
        Styled { parts: vec![(Style::Strong, text.to_string())] }
    }

    /// Text that is less important than the rest.
    pub(crate) fn weak(text: impl fmt::Display) -> Styled {
        Styled { parts: vec![(Style::Ink(Ink::Grey), text.to_string())] }
    }

    /// Text as on paper, whatever the colours of the terminal are.
    #[cfg(feature = "live")]
    pub(crate) fn black_on_white(text: impl fmt::Display) -> Styled {
        Styled { parts: vec![(Style::BlackOnWhite, text.to_string())] }
    }

    /// A message, whose lines may begin with `error:`, `warning:` or `hint:`.
    pub(crate) fn message(text: &str) -> Styled {
        let mut parts = Vec::new();
        for line in text.split_inclusive('\n') {
            let found = PREFIXES.iter().find(|(prefix, _)| line.starts_with(prefix));
            let (prefix, style) = found.copied().unwrap_or(("", Style::Plain));
            parts.push((style, prefix.to_owned()));
            parts.push((Style::Plain, line[prefix.len()..].to_owned()));
        }
        Styled { parts }
    }

    /// A chart in at most `width` columns and `height` rows. `colour` must be the one used for printing: without colours, the
    /// lines have marks. With `--plain` it is in ASCII.
    pub(crate) fn chart(chart: &Chart, width: usize, height: usize, colour: Colour) -> Styled {
        if is_plain() {
            return plain::draw(chart, width, height).into();
        }
        let runs = terminal::runs(chart, width, height, colour);
        Styled {
            parts: runs.into_iter().map(|(ink, text)| (ink.map_or(Style::Plain, Style::Ink), text)).collect(),
        }
    }

    /// The same followed by `more`.
    pub(crate) fn then(mut self, more: impl Into<Styled>) -> Styled {
        self.parts.extend(more.into().parts);
        self
    }

    /// Whether it has no text.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.iter().all(|(_, text)| text.is_empty())
    }

    /// The number of lines that it prints; an empty one at the end counts.
    pub(crate) fn rows(&self) -> usize {
        1 + self.parts.iter().map(|(_, text)| text.matches('\n').count()).sum::<usize>()
    }

    /// The same without blanks and empty lines at the end.
    pub(crate) fn trimmed(mut self) -> Styled {
        while let Some((_, last)) = self.parts.last_mut() {
            last.truncate(last.trim_end().len());
            if !last.is_empty() {
                break;
            }
            self.parts.pop();
        }
        self
    }

    /// The text with escape sequences, or without them if there are no colours.
    pub(crate) fn print(&self, colour: Colour) -> String {
        let part = |(style, text): &(Style, String)| {
            let text = printable_lines(text);
            match style {
                _ if text.is_empty() => String::new(),
                _ if colour == Colour::None => text.into_owned(),
                Style::Plain => text.into_owned(),
                Style::Strong => format!("\x1b[1m{text}{}", colour.end()),
                Style::Error => format!("\x1b[1;31m{text}{}", colour.end()),
                Style::Warning => format!("\x1b[1;33m{text}{}", colour.end()),
                Style::Hint => format!("\x1b[1;36m{text}{}", colour.end()),
                #[cfg(feature = "live")]
                // Some light themes exchange the first and the last of the 16 colours.
                Style::BlackOnWhite if colour == Colour::Ansi256 => {
                    format!("\x1b[38;5;16;48;5;231m{text}{}", colour.end())
                }
                #[cfg(feature = "live")]
                Style::BlackOnWhite => format!("\x1b[30;107m{text}{}", colour.end()),
                Style::Ink(ink) => format!("{}{text}{}", colour.begin(*ink), colour.end()),
            }
        };
        self.parts.iter().map(part).collect()
    }
}

/// The words that begin a message, and their styles.
const PREFIXES: [(&str, Style); 3] =
    [("error:", Style::Error), ("warning:", Style::Warning), ("hint:", Style::Hint)];

impl From<String> for Styled {
    fn from(text: String) -> Styled {
        Styled { parts: vec![(Style::Plain, text)] }
    }
}

impl From<&str> for Styled {
    fn from(text: &str) -> Styled {
        text.to_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_in_the_text_are_replaced() {
        let text = Styled::strong("a\u{1b}[31mb").then("\u{9b}2J\n").then("c".to_owned());

        assert_eq!(text.print(Colour::Ansi16), "\x1b[1ma␛[31mb\x1b[0m\u{fffd}2J\nc");
        assert_eq!(text.print(Colour::None), "a␛[31mb\u{fffd}2J\nc");
        assert_eq!(text.rows(), 2);
    }

    #[test]
    fn the_word_that_begins_a_message_is_coloured() {
        let text = Styled::message("error: no such file\n  error: quoted\nhint: name another");

        assert_eq!(
            text.print(Colour::Ansi16),
            "\x1b[1;31merror:\x1b[0m no such file\n  error: quoted\n\x1b[1;36mhint:\x1b[0m name another"
        );
        assert_eq!(text.print(Colour::None), "error: no such file\n  error: quoted\nhint: name another");
    }

    #[test]
    fn blanks_at_the_end_are_trimmed_over_all_parts() {
        let text = Styled::from("a \n").then(" \n").then("").trimmed();

        assert_eq!(text.print(Colour::None), "a");
        assert_eq!(Styled::from(" ").trimmed().print(Colour::None), "");
    }
}
