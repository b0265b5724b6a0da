//! Waits for several sockets at once, and for connections, which std cannot.

#![allow(unsafe_code)]

use std::io::{self, ErrorKind};
use std::time::Duration;

use socket2::Socket;

/// The events for which to wait on a socket.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(not(unix), expect(dead_code, reason = "where sockets cannot be waited for all are tried"))]
pub(crate) struct Interest {
    /// Until it can be read.
    pub(crate) read: bool,
    /// Until it can be written.
    pub(crate) write: bool,
}

/// Waits until one of the sockets is ready or `timeout` has passed, whichever comes first.
#[cfg(unix)]
pub(crate) fn wait(sockets: &[(&Socket, Interest)], timeout: Duration) {
    use std::os::fd::AsRawFd;
    let mut waited: Vec<libc::pollfd> = sockets
        .iter()
        .filter(|(_, interest)| interest.read || interest.write)
        .map(|(socket, interest)| {
            let read = if interest.read { libc::POLLIN } else { 0 };
            let write = if interest.write { libc::POLLOUT } else { 0 };
            libc::pollfd { fd: socket.as_raw_fd(), events: read | write, revents: 0 }
        })
        .collect();
    // Rounded up to milliseconds: a timeout of 0 would make the caller spin.
    let millis = timeout.as_micros().div_ceil(1000).min(1000) as libc::c_int;
    // SAFETY: `waited` is an array of `len` initialized pollfds that lives across the call; the file descriptors are open,
    // because the sockets are borrowed. An interrupted or failed call is a shorter wait, which the caller's loop allows.
    unsafe { libc::poll(waited.as_mut_ptr(), waited.len() as libc::nfds_t, millis) };
}

/// Elsewhere: a short sleep, after which the caller tries all sockets.
#[cfg(not(unix))]
pub(crate) fn wait(_: &[(&Socket, Interest)], timeout: Duration) {
    std::thread::sleep(timeout.min(Duration::from_millis(2)));
}

/// The error of a connection to a Unix-domain socket, in words that say what the server has, if it has no stream.
pub(crate) fn of_unix_socket(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        #[cfg(unix)]
        Some(libc::EPROTOTYPE) => {
            io::Error::other("it transmits packets or datagrams, and only a stream of bytes can be audited")
        }
        _ => error,
    }
}

/// Whether a connection that was begun is not made yet, rather than refused.
pub(crate) fn is_connecting(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINPROGRESS)
}
