//! Text with a look: the only way in which this program writes an escape code that sets one.
//!
//! Parts hold words, never codes: what stands in them is made [printable](printable_lines) when they are printed, and the codes
//! are put around them then. So other people's text may stand in any part, and no part of it is obeyed.

use std::fmt;

use echoctl_record::printable_lines;
use echoctl_report::terminal::{self, Colour};
use echoctl_report::{Chart, Ink};

/// Pieces of text, each with its look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Styled {
    parts: Vec<(Look, String)>,
}

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Strong,
    /// The word that begins an error, a warning or a hint, in the colours that cargo and rustc use.
    Error,
    Warning,
    Hint,
    Ink(Ink),
}

impl Styled {
    /// Text that stands out where text may.
    pub(crate) fn strong(text: impl fmt::Display) -> Styled {
        Styled { parts: vec![(Look::Strong, text.to_string())] }
    }

    /// A message, whose lines may begin with `error:`, `warning:` or `hint:`.
    pub(crate) fn message(text: &str) -> Styled {
        let mut parts = Vec::new();
        for line in text.split_inclusive('\n') {
            let found = PREFIXES.iter().find(|(prefix, _)| line.starts_with(prefix));
            let (prefix, look) = found.copied().unwrap_or(("", Look::Plain));
            parts.push((look, prefix.to_owned()));
            parts.push((Look::Plain, line[prefix.len()..].to_owned()));
        }
        Styled { parts }
    }

    /// A chart in at most `width` columns and `height` rows. `colour` must be the one that it is printed in: without any,
    /// lines have marks instead.
    pub(crate) fn chart(chart: &Chart, width: usize, height: usize, colour: Colour) -> Styled {
        let runs = terminal::runs(chart, width, height, colour);
        Styled {
            parts: runs.into_iter().map(|(ink, text)| (ink.map_or(Look::Plain, Look::Ink), text)).collect(),
        }
    }

    /// The same with `more` behind it.
    pub(crate) fn then(mut self, more: impl Into<Styled>) -> Styled {
        self.parts.extend(more.into().parts);
        self
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.iter().all(|(_, text)| text.is_empty())
    }

    /// How many lines it takes when it is printed; an empty one at its end counts.
    pub(crate) fn rows(&self) -> usize {
        1 + self.parts.iter().map(|(_, text)| text.matches('\n').count()).sum::<usize>()
    }

    /// The same without blanks and empty lines at its end.
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

    /// The text with its codes; without colour there are none.
    pub(crate) fn print(&self, colour: Colour) -> String {
        let part = |(look, text): &(Look, String)| {
            let text = printable_lines(text);
            match look {
                _ if text.is_empty() => String::new(),
                _ if colour == Colour::None => text.into_owned(),
                Look::Plain => text.into_owned(),
                Look::Strong => format!("\x1b[1m{text}{}", colour.end()),
                Look::Error => format!("\x1b[1;31m{text}{}", colour.end()),
                Look::Warning => format!("\x1b[1;33m{text}{}", colour.end()),
                Look::Hint => format!("\x1b[1;36m{text}{}", colour.end()),
                Look::Ink(ink) => format!("{}{text}{}", colour.begin(*ink), colour.end()),
            }
        };
        self.parts.iter().map(part).collect()
    }
}

/// The words that begin a message, and how they look.
const PREFIXES: [(&str, Look); 3] =
    [("error:", Look::Error), ("warning:", Look::Warning), ("hint:", Look::Hint)];

impl From<String> for Styled {
    fn from(text: String) -> Styled {
        Styled { parts: vec![(Look::Plain, text)] }
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
    fn codes_stand_around_text_and_never_in_it() {
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
    fn an_empty_end_is_trimmed_over_all_parts() {
        let text = Styled::from("a \n").then(" \n").then("").trimmed();

        assert_eq!(text.print(Colour::None), "a");
        assert_eq!(Styled::from(" ").trimmed().print(Colour::None), "");
    }
}
