//! All connections on one thread: wait with `poll` for whoever has sent something, then *write blockingly*.
//!
//! Idle peers stop nobody, so it looks right until one peer does not read: the write to it blocks, and with it the only
//! thread. That is head-of-line blocking, and it is here on purpose.

use std::io;
use std::net::TcpStream;

use crate::seat::Seat;

#[cfg(unix)]
pub(crate) use with_poll::OneThread;

#[cfg(not(unix))]
pub(crate) use without_poll::OneThread;

#[cfg(unix)]
mod with_poll {
    use std::io::{ErrorKind, Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::event::Reason;
    use crate::sys;
    use crate::threads::{BlockingConnection, Progress};

    /// The thread, seen from those who bring it connections. It ends when this is dropped and its last connection has ended.
    #[derive(Debug)]
    pub(crate) struct OneThread {
        arrivals: Sender<BlockingConnection>,
        bell: UnixStream,
    }

    impl OneThread {
        pub(crate) fn start() -> io::Result<OneThread> {
            let (bell, ringing) = UnixStream::pair()?;
            bell.set_nonblocking(true)?;
            ringing.set_nonblocking(true)?;
            let (arrivals, door) = mpsc::channel();
            thread::Builder::new().name("one-thread".to_owned()).spawn(move || run(&door, &ringing))?;
            Ok(OneThread { arrivals, bell })
        }

        /// Hands a connection over.
        pub(crate) fn serve(&self, stream: TcpStream, seat: Seat) -> io::Result<()> {
            self.arrivals
                .send(BlockingConnection::new(stream, seat))
                .map_err(|_| io::Error::other("the thread has ended"))?;
            match (&self.bell).write(&[1]) {
                // A bell that is rung so often that its socket is full is being heard anyway.
                Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
                _ => Ok(()),
            }
        }
    }

    fn run(door: &Receiver<BlockingConnection>, ringing: &UnixStream) {
        let mut connections = Vec::new();
        // The bell comes first; connection i stands at i + 1.
        let mut polled = vec![awaited(ringing)];
        let mut is_open = true;
        while is_open || !connections.is_empty() {
            if sys::poll(&mut polled).is_err() {
                // Only for want of memory, given valid arguments: what it says of the sockets is old, so ask again.
                thread::sleep(PAUSE);
                continue;
            }
            // From the back, so that removing one leaves those still to be looked at where they are.
            for i in (0..connections.len()).rev() {
                if polled[i + 1].revents != 0 && serve_one(&mut connections, i) == Progress::Finished {
                    polled.swap_remove(i + 1);
                }
            }
            if polled[0].revents != 0 {
                is_open = let_in(door, ringing, &mut connections, &mut polled);
            }
        }
    }

    /// One turn of a connection; it is removed when it has ended.
    fn serve_one(connections: &mut Vec<BlockingConnection>, i: usize) -> Progress {
        let connection = &mut connections[i];
        // Without room it stays as it is: those that were ended have something to read, namely the end.
        let turn = connection.turn().and_then(|turn| connection.settle().map(|()| turn));
        if let Ok(Progress::Open | Progress::NoRoom) = turn {
            return Progress::Open;
        }
        connections.swap_remove(i).close(turn.map(|_| ()));
        Progress::Finished
    }

    /// Takes in all who have arrived. Returns whether others may still come.
    fn let_in(
        door: &Receiver<BlockingConnection>,
        mut ringing: &UnixStream,
        connections: &mut Vec<BlockingConnection>,
        polled: &mut Vec<libc::pollfd>,
    ) -> bool {
        while matches!(ringing.read(&mut [0; 256]), Ok(count) if count > 0) {}
        loop {
            match door.try_recv() {
                Ok(connection) => {
                    if polled.try_reserve(1).and(connections.try_reserve(1)).is_err() {
                        connection.close(Err(Reason::OutOfMemory));
                        continue;
                    }
                    polled.push(awaited(&connection.stream));
                    connections.push(connection);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    // poll(2) passes over negative descriptors; the bell's end would be reported for ever.
                    polled[0].fd = -1;
                    return false;
                }
            }
        }
    }

    /// How long to pause when the kernel has no memory for a poll.
    const PAUSE: Duration = Duration::from_millis(10);

    fn awaited(socket: &impl AsRawFd) -> libc::pollfd {
        libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }
    }
}

#[cfg(not(unix))]
mod without_poll {
    use super::*;

    /// Nothing: `Config::check` refuses this kind of I/O here.
    #[derive(Debug)]
    pub(crate) struct OneThread;

    impl OneThread {
        pub(crate) fn start() -> io::Result<OneThread> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn serve(&self, _: TcpStream, _: Seat) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
