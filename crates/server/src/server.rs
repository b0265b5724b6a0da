//! An echo server: binds, accepts, and shuts down.

use std::fs;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::timeout;

use crate::config::{Config, ConfigError, Setting};
use crate::error::Error;
use crate::event::{Event, Listening, Stats};
use crate::io::accept::{self, IoBackend};
use crate::io::listener;
use crate::memory::check_thread_headroom;
use crate::sys;
use crate::table::{CloseCause, Shared, maintenance};

/// An echo server that listens and does not accept yet.
///
/// ```
/// use echoctl_server::{Config, Server};
///
/// let addr = "127.0.0.1:0".parse().unwrap();
/// let server = Server::bind(Config { addr, ..Config::default() }).unwrap();
/// assert_ne!(server.local_addr().port(), 0, "the kernel chose one");
///
/// let runtime = echoctl_server::runtime(None).unwrap();
/// let shutdown = async {}; // it is asked to shut down immediately
/// let stats = runtime.block_on(server.serve(|event| eprintln!("{event:?}"), shutdown)).unwrap();
/// assert_eq!(stats.accepted, 0);
/// ```
#[derive(Debug)]
pub struct Server {
    config: Config,
    listener: TcpListener,
    listening: Listening,
}

impl Server {
    /// Checks the settings and listens. From now on the kernel completes handshakes.
    ///
    /// # Errors
    /// If the settings are invalid, or the server cannot listen on the address.
    pub fn bind(config: Config) -> Result<Server, Error> {
        config.check()?;
        let (listener, listening) = listener::listen(&config)?;
        Ok(Server { config, listener, listening })
    }

    /// Its address, with the port that the kernel chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.listening.addr
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Serves until `shutdown` completes, then answers what has arrived, waits for peers to read the replies (at most
    /// [`drain`](Config::drain)), and returns the totals. Must run on a tokio runtime with I/O and time (see [`runtime`]).
    ///
    /// `emit` is called with every event, on the threads that serve, so it must return immediately (see [`Event`]).
    ///
    /// # Errors
    /// If the runtime cannot register the listening socket, or a thread cannot be started.
    pub async fn serve(
        self,
        emit: impl Fn(Event) + Send + Sync + 'static,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Stats, Error> {
        let Server { config, listener, listening } = self;
        let addr = listening.addr;
        let listener =
            tokio::net::TcpListener::from_std(listener).map_err(|source| Error::Listen { addr, source })?;
        let backend =
            IoBackend::start(config.io).map_err(|source| Error::Start { what: "serving thread", source })?;
        let workers = Handle::current().metrics().num_workers();
        let shared = Arc::new(Shared::new(config, workers, Box::new(emit)));
        let maintenance = tokio::spawn(maintenance::run(shared.clone()));
        (shared.emit)(Event::Listening(listening));

        tokio::select! {
            () = shutdown => {}
            never = accept::accept(&listener, &shared, &backend) => match never {},
        }

        drop((listener, backend));
        drain(&shared).await;
        maintenance.abort();
        // It was aborted: there is no result to look at, only an end to wait for.
        let _ = maintenance.await;
        Ok(shared.stats())
    }
}

/// Lets every connection finish within the drain time, and closes those that have not.
async fn drain(shared: &Shared) {
    let drain = shared.config.drain;
    (shared.emit)(Event::ShuttingDown { connections: shared.table.open(), drain });
    shared.table.close_reading();
    if timeout(drain, shared.table.wait_until_empty()).await.is_err() {
        shared.table.close_all(CloseCause::Shutdown);
        // They wake up immediately, since their sockets are shut down.
        let _ = timeout(ABORT_GRACE, shared.table.wait_until_empty()).await;
    }
}

/// A runtime for the server, with `workers` threads (default: one per core). From this call on, all threads of the process share
/// one heap, so that its memory can be returned to the kernel after peers have left.
///
/// # Errors
/// If the number of threads is 0 or exceeds [`Config::MOST_WORKERS`], or the kernel provides no threads or no epoll.
pub fn runtime(workers: Option<usize>) -> Result<Runtime, Error> {
    sys::share_one_heap();
    let cores = || thread::available_parallelism().map_or(1, usize::from).min(Config::MOST_WORKERS);
    let workers = workers.unwrap_or_else(cores);
    if !(1..=Config::MOST_WORKERS).contains(&workers) {
        let most = Config::MOST_WORKERS as u64;
        return Err(ConfigError::OutOfRange { setting: Setting::Workers, value: workers as u64, most }.into());
    }
    try_threads(workers).map_err(|source| Error::Start { what: "runtime's threads", source })?;
    Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .thread_name("worker")
        .build()
        .map_err(|source: io::Error| Error::Start { what: "runtime", source })
}

/// Checks that `count` threads can run at the same time. The runtime panics when it cannot start one of its own, and then waits
/// forever for the others.
fn try_threads(count: usize) -> io::Result<()> {
    let before = threads_now();
    let gate = Mutex::new(());
    let tried = thread::scope(|scope| {
        // They wait at the gate, so that all exist at the same time.
        let closed = gate.lock();
        let start = |_| {
            check_thread_headroom()?;
            thread::Builder::new().spawn_scoped(scope, || drop(gate.lock()))
        };
        let mut threads = Vec::new();
        let tried = (0..count).try_for_each(|i| start(i).map(|thread| threads.push(thread)));
        drop(closed);
        // Joining frees their stacks, which the end of the scope would not.
        threads.into_iter().for_each(|thread| drop(thread.join()));
        tried
    });
    // The kernel counts a thread for a moment after it was joined, and then a thread of the runtime would be one too many.
    let deadline = Instant::now() + THREAD_EXIT_WAIT;
    while threads_now() > before && Instant::now() < deadline {
        thread::sleep(Duration::from_micros(100));
    }
    tried
}

/// Number of threads that the kernel counts for this process; 0 where that is not visible.
fn threads_now() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let count = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

/// How long connections that were shut down may take to finish: a loaded machine takes a moment to run them all.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// How long the kernel may count threads that have been joined.
const THREAD_EXIT_WAIT: Duration = Duration::from_secs(1);
