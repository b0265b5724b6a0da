//! What a terminal shows while a command runs: parts shared by the live views.

pub(crate) mod digits;
pub(crate) mod path;
pub(crate) mod progress;
pub(crate) mod screen;
pub(crate) mod trend;
