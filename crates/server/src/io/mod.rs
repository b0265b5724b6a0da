//! Sockets: listening, accepting, and the I/O models other than one task per connection.

pub(crate) mod accept;
pub(crate) mod listener;
#[cfg(unix)]
mod one_thread;
mod threads;
