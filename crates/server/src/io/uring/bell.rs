//! Wakes a ring's thread from outside: for new connections, and for what changes the ones it has.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::task::Wake;

/// Rings at one end of a socket pair whose other end the thread watches. It is also the waker of the thread's connections.
#[derive(Debug)]
pub(super) struct Bell {
    socket: UnixStream,
    /// Whether it has rung since the thread last answered, so that waking a thousand connections is one system call.
    is_ringing: AtomicBool,
    /// Whether a connection was woken since then.
    is_for_connections: AtomicBool,
}

/// The end that the thread watches.
#[derive(Debug)]
pub(super) struct BellSocket(pub(super) UnixStream);

impl Bell {
    pub(super) fn new() -> io::Result<(Arc<Bell>, BellSocket)> {
        let (socket, watched) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        watched.set_nonblocking(true)?;
        let (is_ringing, is_for_connections) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok((Arc::new(Bell { socket, is_ringing, is_for_connections }), BellSocket(watched)))
    }

    /// Wakes the thread.
    pub(super) fn ring(&self) {
        if !self.is_ringing.swap(true, AcqRel) {
            // It fails only once the thread has exited: the socket has room for the one byte.
            let _ = (&self.socket).write(&[1]);
        }
    }

    /// Stops ringing. Returns whether a connection was woken. What happened before it rang is visible to the thread then.
    pub(super) fn answer(&self, mut watched: &BellSocket) -> bool {
        let BellSocket(socket) = &mut watched;
        loop {
            match (&*socket).read(&mut [0; 8]) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        self.is_ringing.swap(false, AcqRel);
        self.is_for_connections.swap(false, AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Bell>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Bell>) {
        self.is_for_connections.swap(true, AcqRel);
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_rings_once_until_it_is_answered() {
        let (bell, socket) = Bell::new().unwrap();
        assert!(!bell.answer(&socket), "nothing has woken a connection");

        bell.ring();
        (0..1000).for_each(|_| bell.wake_by_ref());
        assert_eq!((&socket.0).read(&mut [0; 8]).unwrap(), 1, "one byte was written");
        assert!(bell.answer(&socket));

        bell.ring();
        assert!(!bell.answer(&socket));
        bell.ring();
        assert_eq!((&socket.0).read(&mut [0; 8]).unwrap(), 1, "it rings again after each answer");
    }
}
