//! A block of lines on stderr that is redrawn in place.
//!
//! To avoid flicker, each frame is one write, each line is overwritten and then cleared to its end, and nothing is erased
//! before it is replaced. Lines longer than the terminal are truncated, because a wrapped line would move everything below it.
//! The last frame stays when the screen is dropped.

use std::io;

use console::truncate_str;

use crate::output::{self, Styled};
use crate::terminal::mode::{self, Mode};

/// A block of lines on stderr that is redrawn in place. Only for terminals: see [`output::is_live`].
pub(crate) struct Screen {
    drawn: usize,
}

impl Screen {
    /// An empty screen below the current output. The cursor is hidden until the screen is dropped.
    pub(crate) fn new() -> Screen {
        // Before it is hidden: a signal in between shows a visible cursor again, which is harmless.
        mode::set(Mode::NoCursor);
        // A terminal that cannot hide its cursor keeps showing it, which is harmless.
        output::draw(|| Mode::NoCursor.begin().to_vec());
        Screen { drawn: 0 }
    }

    /// Replaces the previous frame. Skipped while the terminal has not accepted that one yet.
    ///
    /// # Errors
    /// If stderr cannot be written.
    pub(crate) fn draw(&mut self, text: impl Into<Styled>) -> io::Result<()> {
        let text = text.into();
        output::draw_offer(|| self.frame(&text)).map(drop)
    }

    /// Draws the last frame, which stays: waits until the terminal has accepted it.
    pub(crate) fn draw_last(&mut self, text: impl Into<Styled>) {
        let text = text.into();
        output::draw(|| self.frame(&text));
    }

    /// The bytes that redraw the block with this text.
    fn frame(&mut self, text: &Styled) -> Vec<u8> {
        let text = text.print(output::live_colour());
        let (columns, rows) = output::terminal_size();
        let mut frame = String::new();
        if self.drawn > 0 {
            frame.push_str(&format!("\r\x1b[{}A", self.drawn));
        }
        // The last row stays free for the cursor. Otherwise the terminal would scroll.
        let lines: Vec<&str> = text.lines().take(rows.saturating_sub(1)).collect();
        for line in &lines {
            frame.push_str(&truncate_str(line, columns, "…"));
            frame.push_str("\x1b[K\n");
        }
        if lines.len() < self.drawn {
            frame.push_str("\x1b[J");
        }
        self.drawn = lines.len();
        frame.into_bytes()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // If the terminal does not accept it now, the end of the process does it.
        if output::draw(|| Mode::NoCursor.end().to_vec()) {
            mode::set(Mode::Usual);
        }
    }
}
