//! The terminal: the screen of a live view, questions, signals.

pub(crate) mod interrupt;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod screen;
