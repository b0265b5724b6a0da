//! Live views: what a terminal shows while a command runs.

pub(crate) mod digits;
mod layout;
pub(crate) mod path;
pub(crate) mod progress;
pub(crate) mod screen;
pub(crate) mod trend;
