//! A progress line on stderr: the time and a message, drawn over the previous one.

use std::time::{Duration, Instant};

use crate::output::{self, flush_notes, offer_status};
use crate::values::time_text;

/// A line that is cleared at the end. A stopped terminal (Ctrl-S) delays no measurement: it misses lines.
pub(crate) struct Progress {
    began: Instant,
    /// When the next line may be drawn; `None` where no line can be redrawn.
    next: Option<Instant>,
}

impl Progress {
    /// The line, unless it `is_hidden` or stderr is not a terminal that can be redrawn.
    pub(crate) fn new(is_hidden: bool) -> Progress {
        let began = Instant::now();
        Progress { began, next: (!is_hidden && output::is_live()).then_some(began) }
    }

    /// Replaces the message, if it is time.
    pub(crate) fn show(&mut self, message: impl FnOnce() -> String) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now + REDRAWN_EVERY);
            let seconds = (now - self.began).as_secs();
            offer_status(&format!("{} {}", time_text(Duration::from_secs(seconds)), message()));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.next.is_some() {
            flush_notes();
        }
    }
}

/// Often enough to see it move.
const REDRAWN_EVERY: Duration = Duration::from_millis(200);
