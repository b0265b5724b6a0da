//! Sockets: listening, accepting, and the I/O models.

pub(crate) mod accept;
pub(crate) mod listener;
#[cfg(unix)]
mod one_thread;
mod threads;
#[cfg(target_os = "linux")]
mod uring;
pub(crate) mod workers;
