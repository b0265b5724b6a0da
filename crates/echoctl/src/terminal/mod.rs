//! The terminal: live views on a part of it or on all of it, keys, questions, signals.

#[cfg(feature = "tui")]
pub(crate) mod full_screen;
pub(crate) mod interrupt;
#[cfg(feature = "tui")]
pub(crate) mod keyboard;
pub(crate) mod mode;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod quit_key;
pub(crate) mod screen;
