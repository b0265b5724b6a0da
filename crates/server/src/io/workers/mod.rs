//! One task per connection, on worker threads: one per CPU, each with a runtime, a poll of its sockets, and connections of its own.
//!
//! An echo that crosses CPUs has to wake the other CPU, which takes longer than the echo itself. So each worker is pinned to a CPU,
//! and serves the connections whose packets arrive there. The kernel says where that is ([`sys::cpu::incoming`]). It is asked when a
//! connection is accepted, and again now and then, since clients move too. [`places`] has the rules, which also see to it that no
//! worker is idle while another one has too much to do. A connection [moves](ConnectionHandle::place) at a moment when it waits
//! for nothing and has written everything.
//!
//! There is one listening socket and one loop that accepts, not one per worker (`SO_REUSEPORT`): a client that was accepted by the
//! kernel never waits behind a worker that is busy, and a second server on the same address is refused.
//!
//! Where there are not exactly as many workers as CPUs, or the system does not say where packets arrive, no thread is pinned, and
//! connections go to the worker that has fewest.

pub(crate) mod places;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::{iter, mem};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use self::places::PlaceIndex;
pub(crate) use self::places::Places;
use crate::config::Config;
use crate::process::check_thread_headroom;
use crate::sys;

/// The worker threads. They exit when this is dropped, and close the connections that they still have.
pub(crate) struct Workers {
    threads: Vec<Worker>,
    places: Arc<Places>,
}

struct Worker {
    thread: JoinHandle<()>,
    /// The thread exits when this is dropped.
    stop: oneshot::Sender<()>,
}

impl Workers {
    /// Starts `count` threads, by default one per core.
    ///
    /// # Errors
    /// If the kernel provides no thread or no epoll.
    pub(crate) fn start(count: Option<usize>) -> io::Result<Workers> {
        let cores = || thread::available_parallelism().map_or(1, usize::from).min(Config::MOST_WORKERS);
        let count = count.unwrap_or_else(cores);
        let allowed = sys::cpu::allowed();
        let cpus: Vec<Option<usize>> = match allowed.len() == count && count > 1 {
            true => allowed.into_iter().map(Some).collect(),
            false => iter::repeat_n(None, count).collect(),
        };
        let runtimes: Vec<Runtime> = (0..count)
            .map(|_| Builder::new_current_thread().enable_io().enable_time().build())
            .collect::<io::Result<_>>()?;
        let handles = runtimes.iter().map(|runtime| runtime.handle().clone());
        let places = Arc::new(Places::new(handles.zip(cpus.iter().copied())));
        // Those that were started exit when one cannot be.
        let mut workers = Workers { threads: Vec::new(), places };
        for (runtime, cpu) in iter::zip(runtimes, cpus) {
            workers.threads.push(Worker::start(runtime, cpu)?);
        }
        Ok(workers)
    }

    /// Where connections are served.
    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Has the worker at `place` wait for events of a socket.
    ///
    /// # Errors
    /// If the kernel has no memory for it.
    pub(crate) fn register(&self, stream: std::net::TcpStream, place: PlaceIndex) -> io::Result<TcpStream> {
        let _context = self.places.at(place).map(|place| place.runtime().enter());
        TcpStream::from_std(stream)
    }
}

impl Worker {
    fn start(runtime: Runtime, cpu: Option<usize>) -> io::Result<Worker> {
        check_thread_headroom()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("worker".to_owned()).spawn(move || {
            cpu.into_iter().for_each(sys::cpu::pin_to);
            // Nothing is ever sent: the channel closes.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Worker { thread, stop })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for Worker { thread, stop } in mem::take(&mut self.threads) {
            drop(stop);
            // One that has panicked has said why.
            let _ = thread.join();
        }
    }
}
