//! The terminal: live views, questions, signals.

pub(crate) mod digits;
pub(crate) mod interrupt;
mod layout;
pub(crate) mod path;
pub(crate) mod progress;
pub(crate) mod prompt;
pub(crate) mod screen;
pub(crate) mod trend;
