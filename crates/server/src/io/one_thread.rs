//! All connections on one thread: waits with `poll` until a client has sent something, then *writes blockingly*.
//!
//! It looks correct as long as clients read, and idle clients delay no other. But when one does not read, the write to it blocks the
//! only thread. This is head-of-line blocking, and it is here on purpose.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread;
use std::time::Duration;

use crate::close_reason::CloseReason;
use crate::connection::{BlockingConnection, Progress};
use crate::process::start_thread;
use crate::sys;

/// Handle to the thread, which exits after this is dropped and its last connection is closed.
pub(crate) struct OneThread {
    incoming: Sender<BlockingConnection>,
    wake_tx: UnixStream,
}

impl OneThread {
    pub(crate) fn start() -> io::Result<OneThread> {
        let (wake_tx, wake_rx) = UnixStream::pair()?;
        wake_tx.set_nonblocking(true)?;
        wake_rx.set_nonblocking(true)?;
        let (incoming_tx, incoming) = mpsc::channel();
        start_thread(thread::Builder::new().name("one-thread".to_owned()), move || run(&incoming, &wake_rx))?;
        Ok(OneThread { incoming: incoming_tx, wake_tx })
    }

    /// Passes a connection to the thread.
    pub(crate) fn serve(&self, connection: BlockingConnection) -> io::Result<()> {
        self.incoming.send(connection).map_err(|_| io::Error::other("the thread has exited"))?;
        match (&self.wake_tx).write(&[1]) {
            // If the socket is full, the thread is going to wake up anyway.
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

fn run(incoming: &Receiver<BlockingConnection>, wake_rx: &UnixStream) {
    let mut connections = Vec::new();
    // The wake-up socket comes first; connection i is at i + 1.
    let mut polled = vec![sys::readable(wake_rx)];
    let mut is_open = true;
    while is_open || !connections.is_empty() {
        if sys::poll(&mut polled).is_err() {
            // With valid arguments it fails only for lack of memory. The results are outdated then, so poll again.
            thread::sleep(POLL_RETRY_PAUSE);
            continue;
        }
        let mut is_stuck = true;
        // Backwards, so that removing a connection does not move those that are still to be served.
        for i in (0..connections.len()).rev() {
            if polled[i + 1].revents != 0 {
                let progress = serve_one(&mut connections, i);
                is_stuck &= progress == Progress::Later;
                if progress == Progress::Finished {
                    polled.swap_remove(i + 1);
                }
            }
        }
        if polled[0].revents != 0 {
            is_stuck = false;
            is_open = accept_pending(incoming, wake_rx, &mut connections, &mut polled);
        }
        if is_stuck {
            thread::sleep(LATER_PAUSE);
        }
    }
}

/// Serves a connection once, and removes it when it is done.
fn serve_one(connections: &mut Vec<BlockingConnection>, i: usize) -> Progress {
    let connection = &mut connections[i];
    // One that must wait stays as it is. Connections that were closed for memory are readable now, at the end of their stream.
    let step = connection.step().and_then(|progress| connection.park().map(|()| progress));
    if let Ok(progress @ (Progress::Open | Progress::Later)) = step {
        return progress;
    }
    connections.swap_remove(i).close(step.map(|_| ()));
    Progress::Finished
}

/// Adds all connections that have arrived. Returns whether more may follow.
fn accept_pending(
    incoming: &Receiver<BlockingConnection>,
    mut wake_rx: &UnixStream,
    connections: &mut Vec<BlockingConnection>,
    polled: &mut Vec<sys::pollfd>,
) -> bool {
    while matches!(wake_rx.read(&mut [0; 256]), Ok(count) if count > 0) {}
    loop {
        match incoming.try_recv() {
            Ok(connection) => {
                if polled.try_reserve(1).and(connections.try_reserve(1)).is_err() {
                    connection.close(Err(CloseReason::OutOfMemory));
                    continue;
                }
                polled.push(sys::readable(&connection.stream));
                connections.push(connection);
            }
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => {
                // poll(2) ignores negative descriptors; otherwise it would report the closed socket forever.
                polled[0].fd = -1;
                return false;
            }
        }
    }
}

/// How long to wait when every connection that has sent something must wait, for the end of a pause or for memory: too short to be
/// noticed, and hardly any work.
const LATER_PAUSE: Duration = Duration::from_millis(10);

/// How long to pause when the kernel has no memory for a poll.
const POLL_RETRY_PAUSE: Duration = Duration::from_millis(10);
