//! Output: lines on stdout and stderr, for readers that may have stopped, and whether a stream is a terminal.
//!
//! What a reader must have (results, the first and the last event) waits for them; what comes by itself while a command
//! runs (samples, lines, pictures) is missed by a reader that is too slow, and counted: see [`outlet`].

mod outlet;

use std::fmt;
use std::io::{self, IsTerminal, Write};

use echoctl_report::terminal::Colour;
use serde::Serialize;

use outlet::Outlet;
pub(crate) use outlet::READER_GRACE;

/// A JSON object with the name of its event in front: `{"event":"sample",…}`.
#[derive(Serialize)]
struct Event<'a, T: Serialize> {
    event: &'static str,
    #[serde(flatten)]
    fields: &'a T,
    #[serde(skip_serializing_if = "is_zero")]
    missed: u64,
}

/// One event as one line of JSON. `missed` says how many the reader has not got: of an event those since the last, of a
/// summary all of them.
fn json<T: Serialize>(event: &'static str, fields: &T, missed: u64) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(&Event { event, fields, missed })?;
    line.push(b'\n');
    Ok(line)
}

/// Writes an event that must not be missed as one line of JSON to stdout, and waits until the reader has taken it.
pub(crate) fn json_line<T: Serialize>(event: &'static str, fields: &T) -> io::Result<()> {
    STDOUT.write(|missed| json(event, fields, missed))
}

/// Writes an event as one line of JSON to stdout, for threads that have nothing else to do than to wait for the reader.
pub(crate) fn json_now<T: Serialize>(event: &'static str, fields: &T, missed: u64) -> io::Result<()> {
    write_to_stdout(&json(event, fields, missed)?)
}

/// Offers an event as one line of JSON to stdout. A reader that is too slow misses it.
pub(crate) fn json_offer<T: Serialize>(event: &'static str, fields: &T) -> io::Result<()> {
    STDOUT.offer(|missed| json(event, fields, missed))
}

/// Writes text to stdout as it is, and waits until the reader has taken it. Unlike `print!` it does not panic when nobody
/// reads any more (`echoctl … | head`): the error ends the command, and [`report`](crate::exit::report) takes a broken pipe
/// for what it is.
pub(crate) fn say(text: impl fmt::Display) -> io::Result<()> {
    STDOUT.write(|_| Ok(format!("{text}\n").into_bytes()))
}

/// Offers a line to stdout, as one of many.
pub(crate) fn say_offer(text: impl fmt::Display) -> io::Result<()> {
    STDOUT.offer(|missed| Ok(line(&text, missed)))
}

/// Writes text to stderr, and waits until it is written. Where it cannot be there is nobody to tell.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = STDERR.write(|_| Ok(format!("{text}\n").into_bytes()));
}

/// Offers a line to stderr, as one of many.
pub(crate) fn note_offer(text: impl fmt::Display) {
    let _ = STDERR.offer(|missed| Ok(line(&text, missed)));
}

/// Writes a picture to the terminal behind stderr, made when all before it is written, and waits until it is written. Whether
/// it was: not where an interruption ended the wait.
pub(crate) fn draw(picture: impl FnOnce() -> Vec<u8>) -> bool {
    STDERR.write(|_| Ok(picture())).is_ok() && !STDERR.has_given_up()
}

/// Offers a picture to the terminal behind stderr, and says whether it was taken: not while it still takes the last.
pub(crate) fn draw_offer(picture: impl FnOnce() -> Vec<u8>) -> io::Result<bool> {
    STDERR.offer_picture(picture)
}

/// Waits until everything is written. Whether an interruption ended that wait, since a reader had stopped.
pub(crate) fn finish() -> bool {
    STDOUT.finish();
    STDERR.finish();
    STDOUT.has_given_up() || STDERR.has_given_up()
}

fn line(text: impl fmt::Display, missed: u64) -> Vec<u8> {
    format!("{}{text}\n", gap(missed)).into_bytes()
}

/// What stands before a line where lines are missing.
pub(crate) fn gap(missed: u64) -> String {
    match missed {
        0 => String::new(),
        missed => format!("(lines not shown, since they were not read in time: {missed})\n"),
    }
}

fn write_to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

fn is_zero(number: &u64) -> bool {
    *number == 0
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

static STDOUT: Outlet = Outlet::new(write_to_stdout, WAITING);

static STDERR: Outlet = Outlet::new(|bytes| io::stderr().lock().write_all(bytes), WAITING);

/// Bytes that wait for a slow reader, of each stream: some hundred events with ten connections each, and a second of samples
/// many times over.
const WAITING: usize = 256 << 10;

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
