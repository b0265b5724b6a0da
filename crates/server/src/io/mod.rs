//! Sockets: listening, accepting, and the I/O models.

pub(crate) mod accept;
pub(crate) mod listener;
#[cfg(unix)]
mod one_thread;
pub(crate) mod places;
mod threads;
#[cfg(target_os = "linux")]
mod uring;
pub(crate) mod workers;
