//! Output: JSON lines on stdout, and whether a stream is a terminal that may be drawn on.

use std::fmt;
use std::io::{self, IsTerminal, Write};

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

/// Whether stdout may be coloured: a terminal, and nobody asked for none (<https://no-color.org>).
pub(crate) fn may_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns and rows of the terminal behind stderr, or 80 by 24 where there is none.
pub(crate) fn terminal_size() -> (usize, usize) {
    let (rows, columns) = console::Term::stderr().size_checked().unwrap_or((24, 80));
    (usize::from(columns), usize::from(rows))
}
