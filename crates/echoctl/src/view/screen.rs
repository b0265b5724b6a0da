//! The screen: a block of lines on stderr that is drawn again and again in the same place.
//!
//! Each frame goes out in one write, each line is overwritten and then cleared to its end, and nothing is erased before
//! it is replaced: so it does not flicker. Lines longer than the terminal are cut, since a wrapped line would move
//! everything below it. The last frame stays when the screen is dropped.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use console::truncate_str;

use crate::output::{self, Styled};

/// A block of lines on stderr that is redrawn in place. Only for terminals: see [`output::is_live`].
pub(crate) struct Screen {
    drawn: usize,
}

impl Screen {
    /// An empty screen below what stands on the terminal; the cursor is hidden until it is dropped.
    pub(crate) fn new() -> Screen {
        // Before it is hidden: a signal in between shows a cursor that is shown, which does no harm.
        IS_HIDDEN.store(true, SeqCst);
        // A terminal that cannot hide its cursor shows it: no reason to stop.
        output::draw(|| HIDE.to_vec());
        Screen { drawn: 0 }
    }

    /// Replaces what the last call drew, unless the terminal has not taken that yet: then the picture is left out, and a
    /// later one comes.
    ///
    /// # Errors
    /// When stderr cannot be written.
    pub(crate) fn draw(&mut self, text: impl Into<Styled>) -> io::Result<()> {
        let text = text.into();
        output::draw_offer(|| self.frame(&text)).map(drop)
    }

    /// Replaces it as [`draw`](Screen::draw) does, and waits until the terminal has taken it: the last picture stays.
    pub(crate) fn draw_last(&mut self, text: impl Into<Styled>) {
        let text = text.into();
        output::draw(|| self.frame(&text));
    }

    /// What redraws the block with `text` in it.
    fn frame(&mut self, text: &Styled) -> Vec<u8> {
        let text = text.print(output::live_colour());
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
        frame.into_bytes()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where the terminal does not take it now, it is left to the end of the process.
        if output::draw(|| SHOW.to_vec()) {
            IS_HIDDEN.store(false, SeqCst);
        }
    }
}

/// What a terminal must be sent before the process ends by the shortest way, if anything. For signal handlers too.
pub(crate) fn farewell() -> &'static [u8] {
    if IS_HIDDEN.load(SeqCst) { FAREWELL } else { b"" }
}

/// What a terminal must be sent when the process goes on behind such a farewell.
#[cfg(unix)]
pub(crate) fn welcome() -> &'static [u8] {
    if IS_HIDDEN.load(SeqCst) { HIDE } else { b"" }
}

/// Whether the cursor is hidden, or about to be.
static IS_HIDDEN: AtomicBool = AtomicBool::new(false);

const HIDE: &[u8] = b"\x1b[?25l";
const SHOW: &[u8] = b"\x1b[?25h";

/// The colours of a picture that was cut off are reset, and the cursor is shown.
const FAREWELL: &[u8] = b"\x1b[0m\x1b[?25h";
