//! The whole terminal behind stderr, redrawn where it changes. What was printed before returns at the end.
//!
//! A frame is drawn into cells, compared with the cells that the terminal shows, and only the difference is written, at once and
//! through the bounded [`output`]. While the terminal has not accepted a frame (Ctrl-S, a slow line), the next one is not even
//! drawn: sampling goes on, and at most one frame is buffered.

use std::io;

use ratatui_core::backend::Backend;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_crossterm::{CrosstermBackend, crossterm};

use crate::output;
use crate::terminal::mode::{self, Mode};

/// The whole terminal behind stderr. Only for terminals: see [`output::is_live`].
pub(crate) struct FullScreen {
    /// The cells that the terminal shows.
    shown: Buffer,
}

impl FullScreen {
    /// An empty screen. The terminal is restored when it is dropped.
    pub(crate) fn enter() -> FullScreen {
        // Styles are chosen by [`output::live_colour`], also where NO_COLOR and --color=always contradict each other.
        crossterm::style::force_color_output(true);
        // Before it is so: a signal in between restores what has not changed yet, which is harmless.
        mode::set(Mode::FullScreen);
        output::draw(|| Mode::FullScreen.begin().to_vec());
        FullScreen { shown: Buffer::empty(Rect::ZERO) }
    }

    /// Draws a frame of the size of the terminal. Returns whether it was drawn: not while the terminal has not accepted the
    /// previous one.
    ///
    /// # Errors
    /// If stderr cannot be written.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> io::Result<bool> {
        output::draw_offer(|| {
            let (columns, rows) = output::terminal_size();
            let area = Rect::new(0, 0, length(columns), length(rows));
            let mut next = Buffer::empty(area);
            draw(area, &mut next);
            let bytes = self.difference(&next);
            self.shown = next;
            bytes
        })
    }

    /// What turns the cells that are shown into `next`.
    fn difference(&mut self, next: &Buffer) -> Vec<u8> {
        let mut bytes = Vec::new();
        if mode::was_blanked() || self.shown.area != next.area {
            bytes.extend_from_slice(b"\x1b[0m\x1b[2J");
            self.shown = Buffer::empty(next.area);
        }
        CrosstermBackend::new(&mut bytes)
            .draw(self.shown.diff(next).into_iter())
            .expect("invariant: writing to a vector does not fail");
        bytes
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        // After a panic the hook has restored it. If the terminal does not accept it now, the end of the process does it.
        if mode::current() == Mode::FullScreen && output::draw(|| Mode::FullScreen.end().to_vec()) {
            mode::set(Mode::Usual);
        }
    }
}

/// Cells per row or column: more than a program can use are ignored, and so is the memory for them.
fn length(cells: usize) -> u16 {
    u16::try_from(cells).unwrap_or(u16::MAX).min(MAX_LENGTH)
}

/// Largest number of rows and of columns that are drawn. A frame of that size has a million cells.
const MAX_LENGTH: u16 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_cells_are_written() {
        let mut screen = FullScreen { shown: Buffer::empty(Rect::ZERO) };
        let frame = |text: &str| Buffer::with_lines([text, "second line"]);
        let print = |screen: &mut FullScreen, text: &str| {
            let next = frame(text);
            let bytes = screen.difference(&next);
            screen.shown = next;
            String::from_utf8(bytes).unwrap()
        };

        let first = print(&mut screen, "count 1    ");
        let second = print(&mut screen, "count 2    ");

        assert!(
            first.contains("count") && first.contains("second") && first.contains("\x1b[2J"),
            "{first:?}"
        );
        assert!(second.contains("\x1b[1;7H2") && !second.contains("count"), "{second:?}");
        assert!(!print(&mut screen, "count 2    ").contains('2'));
    }
}
