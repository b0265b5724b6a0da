//! The screen: a block of lines on stderr that is drawn again and again in the same place.
//!
//! Each frame goes out in one write, each line is overwritten and then cleared to its end, and nothing is erased before
//! it is replaced: so it does not flicker. Lines longer than the terminal are cut, since a wrapped line would move
//! everything below it. The last frame stays when the screen is dropped.

use std::io::{self, Write};

use console::{Term, truncate_str};

use crate::output;

/// A block of lines on stderr that is redrawn in place. Only for terminals: see [`output::is_live`].
pub(crate) struct Screen {
    term: Term,
    drawn: usize,
}

impl Screen {
    /// An empty screen below what stands on the terminal; the cursor is hidden until it is dropped.
    pub(crate) fn new() -> Screen {
        let term = Term::stderr();
        // A terminal that cannot hide its cursor shows it: no reason to stop.
        let _ = term.hide_cursor();
        Screen { term, drawn: 0 }
    }

    /// Replaces what the last call drew.
    ///
    /// # Errors
    /// When stderr cannot be written.
    pub(crate) fn draw(&mut self, text: &str) -> io::Result<()> {
        let (columns, rows) = output::terminal_size();
        let mut frame = String::new();
        if self.drawn > 0 {
            frame.push_str(&format!("\r\x1b[{}A", self.drawn));
        }
        // The last row stays free for the cursor, else the terminal scrolls.
        let lines: Vec<&str> = text.lines().take(rows.saturating_sub(1)).collect();
        for line in &lines {
            frame.push_str(&truncate_str(line, columns, "…"));
            frame.push_str("\x1b[K\n");
        }
        if lines.len() < self.drawn {
            frame.push_str("\x1b[J");
        }
        self.drawn = lines.len();
        (&self.term).write_all(frame.as_bytes())?;
        self.term.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.term.show_cursor();
    }
}
