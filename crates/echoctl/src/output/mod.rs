//! Writes everything that the program prints to stdout and stderr.
//!
//! Foreign text (names of processes, words in files, answers of servers, arguments) may contain control characters that a
//! terminal would execute. So all text is made printable here, and only [`Styled`] adds escape sequences. [`Data`] is written
//! to a file or a pipe unchanged. `cargo xtask tidy` refuses printing elsewhere.
//!
//! Results, and the first and last events, wait for a slow reader. Samples, lines and pictures that are printed while a
//! command runs do not: what a slow reader misses is counted (see [`outlet`]).

mod colour;
mod data;
pub(crate) mod file;
mod outlet;
mod reader;
pub(crate) mod recorder;
mod styled;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use echoctl_record::{count, printable, printable_lines};
use echoctl_report::plain;
use serde::{Serialize, Serializer};

pub(crate) use colour::{ColourChoice, choose, colour, is_plain, live_colour, set_plain};
use colour::{DUMB, stderr_colour, variable};
pub(crate) use data::Data;
use outlet::Outlet;
pub(crate) use reader::{end_with_reader, requested_exit};
pub(crate) use styled::Styled;

/// A JSON object that begins with the name of its event: `{"event":"sample",…}`.
#[derive(Serialize)]
struct Event<'a, T: Serialize> {
    event: &'static str,
    #[serde(flatten)]
    fields: &'a T,
    #[serde(skip_serializing_if = "is_zero")]
    missed: u64,
}

/// One event as one line of JSON. `missed` is the number of events that the reader has missed: since the last event, or for a
/// summary, in total.
fn json<T: Serialize>(event: &'static str, fields: &T, missed: u64) -> serde_json::Result<Vec<u8>> {
    let line = serde_json::to_string(&Event { event, fields, missed })?;
    Ok((escaped(&line) + "\n").into_bytes())
}

/// JSON with all control characters escaped. JSON itself escapes only those of ASCII; the others occur only in strings, where
/// escapes are allowed.
fn escaped(json: &str) -> String {
    let mut units = [0; 2];
    json.chars().fold(String::with_capacity(json.len()), |mut escaped, character| {
        match printable(character.encode_utf8(&mut [0; 4])) {
            Cow::Borrowed(_) => escaped.push(character),
            Cow::Owned(_) => {
                escaped
                    .extend(character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
        }
        escaped
    })
}

/// For serde's `serialize_with`: pairs of a name and a value as the fields of an object, without the values that are absent.
pub(crate) fn present<S: Serializer, V: Serialize>(
    fields: &[(&'static str, Option<V>)],
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(fields.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))))
}

/// Writes an event as one line of JSON to stdout, and waits until it is written.
pub(crate) fn json_line<T: Serialize>(event: &'static str, fields: &T) -> io::Result<()> {
    STDOUT.write(|missed| json(event, fields, missed))
}

/// Queues an event as one line of JSON for stdout. A slow reader misses it.
pub(crate) fn offer_json<T: Serialize>(event: &'static str, fields: &T) -> io::Result<()> {
    STDOUT.offer(|missed| json(event, fields, missed))
}

/// Writes text to stdout, and waits until it is written. Unlike `print!` it does not panic when the reader has gone
/// (`echoctl … | head`): the error ends the command, and [`into_exit_code`](crate::exit::into_exit_code) does not report it.
pub(crate) fn print(text: impl fmt::Display) -> io::Result<()> {
    print_styled(&text.to_string().into())
}

/// Writes styled text to stdout, as [`print()`] does; with `--plain` in ASCII.
pub(crate) fn print_styled(text: &Styled) -> io::Result<()> {
    STDOUT.write(|_| Ok(line(shown(text), 0)))
}

/// Text as it is shown on stdout.
fn shown(text: &Styled) -> String {
    let text = text.print(colour());
    if is_plain() { plain::text(&text) } else { text }
}

/// Ignores a reader that has gone, so that the exit code reports the result: `echoctl audit … | head -3` must not look like
/// the success of a safe server.
///
/// # Errors
/// If the result could not be printed for another reason.
pub(crate) fn ignore_broken_pipe(printed: io::Result<()>) -> io::Result<()> {
    printed.or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

/// Queues a line for stdout, which is shown as [`print()`] does. A slow reader misses it.
pub(crate) fn offer_line(text: impl fmt::Display) -> io::Result<()> {
    STDOUT.offer(|missed| Ok(line(shown(&text.to_string().into()), missed)))
}

/// Writes a message to stderr, and waits until it is written. On a terminal it is wrapped at spaces. An error is ignored:
/// there is no other place to report it.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = STDERR.write(|_| Ok(note_line(text, 0)));
}

/// Writes an error to stderr as [`note`] does. Its lines after the first are indented, except hints (`hint: …`).
pub(crate) fn error(text: impl fmt::Display) {
    note(format_args!("error: {}", indent_continuations(&text.to_string())));
}

/// Writes a warning to stderr as [`error`] does.
pub(crate) fn warning(text: impl fmt::Display) {
    note(format_args!("warning: {}", indent_continuations(&text.to_string())));
}

/// Writes a question to stderr, without a newline.
pub(crate) fn prompt(text: impl fmt::Display) {
    let text = text.to_string();
    let _ = STDERR.write(|_| Ok(printable_lines(&text).into_owned().into_bytes()));
}

/// Queues a status line for a live stderr, with another one below it, drawn over the previous ones. They are cut to the terminal's
/// width, since a wrapped line could not be drawn over. The next message on stderr replaces them.
pub(crate) fn offer_status(line: &Styled, below: &Styled) {
    let (columns, rows) = terminal_size();
    let cut = |line: &Styled| {
        let shown = line.print(live_colour());
        console::truncate_str(&shown, columns.saturating_sub(1), "").into_owned()
    };
    let mut picture = cut(line);
    if !below.is_empty() && rows > 2 {
        let width = console::measure_text_width(&picture);
        // The cursor returns to the end of the first line, so that what is written next knows where it is.
        picture += &format!("\n{CLEAR_LINE}{}\x1b[A\r\x1b[{width}C", cut(below));
    }
    HAS_STATUS.store(true, Relaxed);
    // A reader that has gone needs no status.
    let _ = STDERR.offer_picture(|| format!("{CLEAR_LINE}{picture}").into_bytes());
}

/// Queues a line for stderr. A slow reader misses it.
pub(crate) fn offer_note(text: impl fmt::Display) {
    let _ = STDERR.offer(|missed| Ok(note_line(text, missed)));
}

/// Waits until all queued lines are on stderr, so that they precede what is printed to stdout next, and clears a status line.
pub(crate) fn flush_notes() {
    match over_status() {
        "" => STDERR.finish(),
        // An error means that the reader has gone.
        clear => drop(STDERR.write(|_| Ok(clear.into()))),
    }
}

/// What follows the totals if the reader of stderr has missed messages; empty if it has not.
pub(crate) fn missed_notes() -> String {
    match STDERR.missed() {
        0 => String::new(),
        missed => {
            format!(" ({} not printed, because the output was not read in time)", count(missed, "line"))
        }
    }
}

/// Writes a picture to the terminal behind stderr, made after all earlier text is written, and waits until it is written.
/// Returns whether it was written: not if an interruption ended the wait.
pub(crate) fn draw(picture: impl FnOnce() -> Vec<u8>) -> bool {
    STDERR.write(|_| Ok(picture())).is_ok() && !STDERR.has_given_up()
}

/// Queues a picture for the terminal behind stderr. Returns whether it was queued: not while the previous one is pending.
pub(crate) fn draw_offer(picture: impl FnOnce() -> Vec<u8>) -> io::Result<bool> {
    STDERR.offer_picture(picture)
}

/// Waits until everything is written. Returns whether an interruption ended the wait because a reader had stopped.
pub(crate) fn finish() -> bool {
    STDOUT.finish();
    STDERR.finish();
    STDOUT.has_given_up() || STDERR.has_given_up()
}

fn line(text: impl fmt::Display, missed: u64) -> Vec<u8> {
    format!("{}{text}\n", missed_note(missed)).into_bytes()
}

/// The note before a line if lines before it are missing.
fn missed_note(missed: u64) -> String {
    match missed {
        0 => String::new(),
        missed => format!("(lines omitted because the output was not read in time: {missed})\n"),
    }
}

/// A message as it is shown on stderr: wrapped to the terminal, with the words that begin errors and hints coloured, and over
/// the status line if there is one.
fn note_line(text: impl fmt::Display, missed: u64) -> Vec<u8> {
    let text = text.to_string();
    let text = match io::stderr().is_terminal() {
        true => wrap(&text, terminal_size().0),
        false => text,
    };
    let mut bytes = over_status().as_bytes().to_vec();
    bytes.extend(line(Styled::message(&text).print(stderr_colour()), missed));
    bytes
}

/// What clears the status lines, if there have been any. On empty lines it has no effect.
fn over_status() -> &'static str {
    if HAS_STATUS.load(Relaxed) { CLEAR_BELOW } else { "" }
}

/// A message with the lines after the first indented, except hints, so that no quoted text can look like a message of ours.
pub(crate) fn indent_continuations(text: &str) -> String {
    let indented =
        |line: &str| if line.starts_with("hint: ") { format!("\n{line}") } else { format!("\n  {line}") };
    let mut lines = text.trim_end().split('\n');
    lines.next().into_iter().map(str::to_owned).chain(lines.map(indented)).collect()
}

fn write_to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    reader::note_written(&written);
    written
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whether stderr is a terminal on which lines can be redrawn.
pub(crate) fn is_live() -> bool {
    io::stderr().is_terminal() && variable("TERM") != DUMB && !is_plain()
}

/// Text wrapped at spaces; continuation lines are indented by two blanks.
fn wrap(text: &str, columns: usize) -> String {
    let fits = |line: &str| line.chars().count() <= columns;
    let line = |line: &str| match fits(line) {
        true => line.to_owned(),
        // The first line loses two columns too.
        false => echoctl_report::wrap(line, columns.saturating_sub(2).max(20)).join("\n  "),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Columns and rows of the terminal behind stderr; 80 by 24 without one.
pub(crate) fn terminal_size() -> (usize, usize) {
    let (rows, columns) = console::Term::stderr().size_checked().unwrap_or((24, 80));
    (usize::from(columns), usize::from(rows))
}

static STDOUT: LazyLock<Outlet> = LazyLock::new(|| Outlet::new(write_to_stdout, QUEUE_LIMIT));

static STDERR: LazyLock<Outlet> =
    LazyLock::new(|| Outlet::new(|bytes| io::stderr().lock().write_all(bytes), QUEUE_LIMIT));

/// Whether a status line was drawn on stderr.
static HAS_STATUS: AtomicBool = AtomicBool::new(false);

/// Goes to the first column and clears the line and all below it.
const CLEAR_BELOW: &str = "\r\x1b[J";

/// Goes to the first column and clears the line.
pub(crate) const CLEAR_LINE: &str = "\r\x1b[2K";

/// Bytes buffered for a slow reader, per stream: room for some hundred events with ten connections each, or for many seconds
/// of samples.
const QUEUE_LIMIT: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_message_looks_like_another_message() {
        let indented = indent_continuations("no file a\nerror: all is well\nhint: name another\n");

        assert_eq!(indented, "no file a\n  error: all is well\nhint: name another");
    }

    #[test]
    fn json_has_no_control_characters() {
        let line = json("x", &serde_json::json!({ "name": "\u{9b}31m\u{202e}\u{7f}é" }), 0).unwrap();

        let text = String::from_utf8(line).unwrap();
        assert_eq!(text, "{\"event\":\"x\",\"name\":\"\\u009b31m\\u202e\\u007fé\"}\n");
    }

    #[test]
    fn only_long_lines_are_wrapped_at_spaces() {
        let text = "short  line\nthis line is longer than the terminal and is wrapped";

        let wrapped = wrap(text, 30);

        assert_eq!(wrapped, "short  line\nthis line is longer than the\n  terminal and is wrapped");
        assert!(wrapped.lines().all(|line| line.len() <= 30), "{wrapped}");
    }
}
