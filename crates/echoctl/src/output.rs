//! Output: JSON lines on stdout, and whether a stream is a terminal that may be drawn on.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use echoctl_report::terminal::Colour;
use serde::Serialize;

/// A JSON object with the name of its event in front: `{"event":"sample",…}`.
#[derive(Serialize)]
struct Event<'a, T: Serialize> {
    event: &'static str,
    #[serde(flatten)]
    fields: &'a T,
}

/// Writes one event as one line of JSON to stdout, at once: whoever reads it may be waiting for it.
pub(crate) fn json_line<T: Serialize>(event: &'static str, fields: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Event { event, fields })?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

/// Writes text to stdout as it is. Unlike `print!` it does not panic when nobody reads any more (`echoctl … | head`):
/// the error ends the command, and [`report`](crate::exit::report) takes a broken pipe for what it is.
pub(crate) fn say(text: impl fmt::Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Whether stderr is a terminal on which lines may be redrawn.
pub(crate) fn is_live() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The colours that a drawing on stdout may use: none where it is no terminal, or where nobody wants any
/// (<https://no-color.org>).
pub(crate) fn colour() -> Colour {
    if io::stdout().is_terminal() { terminal_colour() } else { Colour::None }
}

/// Whether text on stdout may be coloured or set in bold.
pub(crate) fn may_colour() -> bool {
    colour() != Colour::None
}

/// The colours that a live view on stderr may use.
pub(crate) fn live_colour() -> Colour {
    if is_live() { terminal_colour() } else { Colour::None }
}

fn terminal_colour() -> Colour {
    let variable = |name| std::env::var(name).unwrap_or_default();
    if !variable("NO_COLOR").is_empty() {
        Colour::None
    } else if variable("TERM").contains("256color") || !variable("COLORTERM").is_empty() {
        Colour::Ansi256
    } else {
        Colour::Ansi16
    }
}

/// Text for stderr: on a terminal broken at spaces, so that it breaks no word; later lines are set in by two blanks.
pub(crate) fn folded(text: &str) -> String {
    if io::stderr().is_terminal() { fold(text, terminal_size().0) } else { text.to_owned() }
}

fn fold(text: &str, columns: usize) -> String {
    let fits = |line: &str| line.chars().count() <= columns;
    let line = |line: &str| match fits(line) {
        true => line.to_owned(),
        // The first line loses two columns so that the others can be set in.
        false => echoctl_lab::kit::wrap(line, columns.saturating_sub(2).max(20)).join("\n  "),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Columns and rows of the terminal behind stderr, or 80 by 24 where there is none.
pub(crate) fn terminal_size() -> (usize, usize) {
    let (rows, columns) = console::Term::stderr().size_checked().unwrap_or((24, 80));
    (usize::from(columns), usize::from(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_folded_between_words_and_short_ones_stay_as_they_are() {
        let text = "short  line\nthis line is longer than the terminal and is folded";

        let folded = fold(text, 30);

        assert_eq!(folded, "short  line\nthis line is longer than the\n  terminal and is folded");
        assert!(folded.lines().all(|line| line.len() <= 30), "{folded}");
    }
}
