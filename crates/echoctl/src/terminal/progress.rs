//! A progress line on stderr, rendered by indicatif and written through the bounded [`output`].
//!
//! indicatif writes to the terminal on the thread that reports progress. Here that thread measures, and a stopped terminal
//! (Ctrl-S) must not block it. So each frame is collected and offered to the outlet, and skipped if the outlet is full. This
//! is safe for a single line, because each frame clears it first.

use std::fmt::Write;
use std::io;
use std::sync::{Mutex, PoisonError};

use echoctl_record::printable;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use crate::output::{self, CLEAR_LINE};

/// Elapsed time and a message, on one line that is cleared at the end.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// No line.
    pub(crate) fn hidden() -> Progress {
        Progress(ProgressBar::hidden())
    }

    /// The line, unless stderr is not a terminal that can be redrawn.
    pub(crate) fn new() -> Progress {
        if !output::is_live() {
            return Progress::hidden();
        }
        let target = ProgressDrawTarget::term_like_with_hz(Box::<Line>::default(), REDRAWS_PER_SECOND);
        let style = ProgressStyle::with_template("{elapsed} {wide_msg}");
        let style = style.expect("invariant: the template is a constant that a test reads");
        Progress(ProgressBar::with_draw_target(None, target).with_style(style))
    }

    /// Replaces the message.
    pub(crate) fn show(&self, message: String) {
        self.0.set_message(printable(&message).into_owned());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if !self.0.is_hidden() {
            self.0.finish_and_clear();
            // The frame that clears it may have been skipped.
            output::draw(|| CLEAR_LINE.as_bytes().to_vec());
        }
    }
}

/// A terminal of one line. Each frame is written at once, and complete.
#[derive(Debug, Default)]
struct Line(Mutex<String>);

impl Line {
    fn push(&self, text: impl std::fmt::Display) -> io::Result<()> {
        let mut frame = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        write!(frame, "{text}").map_err(io::Error::other)
    }

    fn push_move(&self, columns_or_rows: usize, direction: char) -> io::Result<()> {
        if columns_or_rows > 0 {
            self.push(format_args!("\x1b[{columns_or_rows}{direction}"))
        } else {
            Ok(())
        }
    }
}

impl TermLike for Line {
    fn width(&self) -> u16 {
        u16::try_from(output::terminal_size().0).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, rows: usize) -> io::Result<()> {
        self.push_move(rows, 'A')
    }

    fn move_cursor_down(&self, rows: usize) -> io::Result<()> {
        self.push_move(rows, 'B')
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.push_move(columns, 'C')
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.push_move(columns, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.push(format_args!("{text}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.push(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.push(CLEAR_LINE)
    }

    fn flush(&self) -> io::Result<()> {
        let frame = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if frame.is_empty() { Ok(()) } else { output::draw_offer(|| frame.into_bytes()).map(drop) }
    }
}

/// Frequent enough to see it move.
const REDRAWS_PER_SECOND: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_valid() {
        assert!(ProgressStyle::with_template("{elapsed} {wide_msg}").is_ok());
    }

    #[test]
    fn a_frame_is_collected_until_it_is_flushed() {
        let line = Line::default();

        line.clear_line().unwrap();
        line.write_str("sent 1 MiB").unwrap();
        line.move_cursor_up(0).unwrap();
        line.move_cursor_left(2).unwrap();

        assert_eq!(*line.0.lock().unwrap(), "\r\x1b[2Ksent 1 MiB\x1b[2D");
    }
}
