//! The terminal instrument: a table of connections, their causes, and what each key does with them.
//!
//! ```text
//! watch ── Reading ──► Instrument ── cells ──► FullScreen ── difference ──► terminal
//!   ▲                      ▲
//!   └── Next ── LiveView ──┴── Keyboard
//! ```
//!
//! [`Instrument`] is the state, without a terminal; [`LiveView`] connects it to one. Each part of the picture has a file.

mod cause;
mod columns;
mod cursor;
mod detail;
mod filter;
mod fit;
mod footer;
mod groups;
mod header;
mod help;
mod history;
mod instrument;
mod list;
mod page;
mod reading;
mod sort;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod theme;

use std::io;
use std::time::{Duration, Instant};

use crate::output;
use crate::terminal::full_screen::FullScreen;
use crate::terminal::keyboard::{Input, Keyboard};
use instrument::{Action, Explain, Instrument};
pub(super) use reading::Reading;
use theme::Theme;

/// The instrument on the terminal behind stderr, with the keys of the one behind stdin. Both are restored when it is dropped.
pub(super) struct LiveView {
    instrument: Instrument,
    screen: FullScreen,
    keyboard: Keyboard,
    /// Whether the terminal has accepted the last frame.
    is_drawn: bool,
}

/// Why a wait has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The time is over.
    Sample,
    /// A recording is to be written, and its name to be shown.
    Save,
    /// The user has pressed `q`.
    Quit,
    /// A signal has arrived.
    Interrupted,
}

impl LiveView {
    /// Takes over the terminal. `explain` makes the command that `e` shows.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub(super) fn new(
        title: String,
        visibility: Option<&'static str>,
        explain: Explain,
    ) -> Result<LiveView, echoctl_observe::Error> {
        let keyboard = Keyboard::listen()?;
        let instrument = Instrument::new(title, visibility, explain, Theme::new(output::live_colour()));
        Ok(LiveView { instrument, screen: FullScreen::enter(), keyboard, is_drawn: false })
    }

    /// Shows a reading.
    ///
    /// # Errors
    /// If stderr cannot be written.
    pub(super) fn show(&mut self, reading: Reading) -> io::Result<()> {
        self.instrument.update(reading);
        self.draw()
    }

    /// Shows a message until the next key, or for some seconds.
    ///
    /// # Errors
    /// As [`show`](LiveView::show).
    pub(super) fn tell(&mut self, message: String) -> io::Result<()> {
        self.instrument.tell(message);
        self.draw()
    }

    /// Handles keys until this time, or until one of them concerns the watch.
    ///
    /// # Errors
    /// As [`show`](LiveView::show).
    pub(super) fn wait(&mut self, until: Instant) -> io::Result<Next> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let wait = if self.is_drawn { left } else { left.min(REDRAW_INTERVAL) };
            match self.keyboard.wait(wait) {
                Some(Input::Exit) => return Ok(Next::Interrupted),
                Some(Input::Key(key)) => match self.instrument.key(key) {
                    Action::Quit => return Ok(Next::Quit),
                    Action::Save => return Ok(Next::Save),
                    Action::Draw => self.draw()?,
                },
                Some(Input::Resize) => self.draw()?,
                None if Instant::now() >= until => return Ok(Next::Sample),
                None => self.draw()?,
            }
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        self.is_drawn = self.screen.draw(|area, buffer| self.instrument.draw(area, buffer))?;
        Ok(())
    }
}

/// How soon a frame that the terminal has not accepted is offered again, so that keys seem to have an effect at once.
const REDRAW_INTERVAL: Duration = Duration::from_millis(20);
