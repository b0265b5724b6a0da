//! One thread per core, each with an io_uring: the kernel receives and sends, and the thread handles what has completed.
//!
//! ```text
//!                    +-- ring 0: connections -- one system call: submit everything, wait for the next completions
//!   accept loop -----+
//!                    +-- ring 1: ...
//! ```
//!
//! Each thread is pinned to a CPU, as [`workers`](super::workers) are, so that a connection can be served where its packets arrive.
//!
//! Three things make it bounded, and cheap:
//!
//! - A connection that waits for input has no buffer. The kernel takes one of the ring's *provided buffers* when bytes have arrived.
//! - A provided buffer is never in the hands of a peer. What the peer does not accept at once moves to the connection's own buffer,
//!   which counts against the memory limit, so peers that do not read stop nothing but themselves ([`RingConnection`] has the steps).
//!   Therefore each receive is a new operation: with a receive that repeats itself the kernel would go on filling buffers for a peer
//!   that does not read its replies, until none is left for the others.
//! - The completions of all connections are handled together, and the operations that follow from them are submitted together.
//!
//! [`RingConnection`]: crate::connection::RingConnection

mod bell;
mod thread;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{Builder, available_parallelism};

use self::bell::Bell;
use self::thread::RingThread;
use super::places::{Place, Places};
use crate::close_reason::CloseReason;
use crate::config::Config;
use crate::connection::BlockingConnection;
use crate::connection::read_size::READ;
use crate::error::Error;
use crate::process::start_thread;
use crate::sys;
use crate::sys::uring::{PoolSize, Ring};

/// Handle to the threads, each of which exits after this is dropped and its last connection is closed.
pub(crate) struct Uring {
    threads: Box<[ThreadHandle]>,
    places: Arc<Places>,
}

struct ThreadHandle {
    incoming: Sender<BlockingConnection>,
    bell: Arc<Bell>,
}

impl Uring {
    /// Starts this many threads, or one per core.
    ///
    /// # Errors
    /// If the kernel refuses a ring, or a thread cannot be started.
    pub(crate) fn start(threads: Option<usize>) -> Result<Uring, Error> {
        let cores = || available_parallelism().map_or(1, usize::from).min(Config::MOST_WORKERS);
        Uring::with(threads.unwrap_or_else(cores), [SMALL_BUFFERS, LARGE_BUFFERS])
    }

    fn with(threads: usize, pools: [PoolSize; 2]) -> Result<Uring, Error> {
        let cpus = sys::cpu::one_each(threads);
        let threads = cpus.iter().map(|&cpu| ThreadHandle::start(cpu, pools)).collect::<Result<_, _>>()?;
        let places = Arc::new(Places::new(cpus.into_iter().map(Place::ring)));
        Ok(Uring { threads, places })
    }

    /// Where connections are served.
    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Passes a connection to the thread that should serve it.
    pub(crate) fn serve(&self, connection: BlockingConnection) -> io::Result<()> {
        let place = self.places.choose_for_good(sys::cpu::incoming(&connection.stream));
        self.threads[usize::from(place)].serve(connection.at(place))
    }
}

impl ThreadHandle {
    fn start(cpu: Option<usize>, pools: [PoolSize; 2]) -> Result<ThreadHandle, Error> {
        let failed = |source| Error::Start { what: "serving thread", source };
        let (bell, watched) = Bell::new().map_err(failed)?;
        let (incoming, receiver) = mpsc::channel();
        let (sender, created) = mpsc::sync_channel(1);
        let own_bell = bell.clone();
        let thread = start_thread(Builder::new().name("ring".to_owned()), move || {
            cpu.into_iter().for_each(sys::cpu::pin_to);
            // A ring belongs to the thread that creates it.
            match Ring::new(pools[0], pools[1]) {
                Ok(ring) => {
                    let _ = sender.send(Ok(()));
                    RingThread::new(ring, receiver, own_bell, watched).run();
                }
                Err(error) => _ = sender.send(Err(error)),
            }
        });
        thread.map_err(failed)?;
        let created = created.recv().unwrap_or_else(|_| Err(io::Error::other("the thread has exited")));
        created.map_err(|source| Error::NoUring { source })?;
        Ok(ThreadHandle { incoming, bell })
    }

    fn serve(&self, connection: BlockingConnection) -> io::Result<()> {
        match self.incoming.send(connection) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(mpsc::SendError(connection)) => {
                connection.close(Err(CloseReason::Panicked));
                Err(io::Error::other("the thread has exited"))
            }
        }
    }
}

impl Drop for ThreadHandle {
    fn drop(&mut self) {
        // The thread looks whether more connections may follow, so the channel must be closed first.
        self.incoming = mpsc::channel().0;
        self.bell.ring();
    }
}

/// The small provided buffers of a ring, at most: as many as connections that can have something to read at the same time without a
/// second attempt.
const SMALL_BUFFERS: PoolSize = PoolSize { count: 64, bytes: crate::connection::SMALL };

/// The large ones, for peers that send faster than small ones can be emptied. 32 streams on two rings got 750 MiB/s with 8 of them,
/// and 1,150 with 32. A single stream uses two.
const LARGE_BUFFERS: PoolSize = PoolSize { count: 32, bytes: READ };

#[cfg(test)]
mod tests;
