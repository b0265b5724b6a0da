//! An echo server: binds, accepts, and shuts down.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::config::Config;
use crate::control::Control;
use crate::error::Error;
use crate::event::{Event, Listening, Stats};
use crate::io::accept::{self, IoBackend};
use crate::io::listener;
use crate::settings::Settings;
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
/// let runtime = echoctl_server::runtime(Some(1)).unwrap(); // the server starts the threads that serve
/// let shutdown = async {}; // it is asked to shut down immediately
/// let stats = runtime.block_on(server.serve(|event| eprintln!("{event:?}"), shutdown)).unwrap();
/// assert_eq!(stats.accepted, 0);
/// ```
#[derive(Debug)]
pub struct Server {
    config: Config,
    settings: Arc<Settings>,
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
        let settings = Arc::new(Settings::new(config.clone()));
        Ok(Server { config, settings, listener, listening })
    }

    /// Its address, with the port that the kernel chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.listening.addr
    }

    /// The settings it was bound with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Changes its settings while it serves, and shows its connections.
    pub fn control(&self) -> Control {
        Control::new(self.settings.clone())
    }

    /// Serves until `shutdown` completes, then answers what has arrived, waits for peers to read the replies (at most
    /// [`drain`](Config::drain)), and returns the totals. Must run on a tokio runtime with I/O and time (see [`runtime`](crate::runtime)).
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
        let Server { config, settings, listener, listening } = self;
        let addr = listening.addr;
        let listener =
            tokio::net::TcpListener::from_std(listener).map_err(|source| Error::Listen { addr, source })?;
        let backend = IoBackend::start(&config)?;
        let shared = Arc::new(Shared::new(settings, backend.places(), Box::new(emit)));
        shared.settings.attach(&shared);
        // It may have been changed after the line before the last.
        shared.apply_memory_limit();
        let maintenance = tokio::spawn(maintenance::run(shared.clone()));
        (shared.emit)(Event::Listening(listening));

        tokio::select! {
            () = shutdown => {}
            never = accept::accept(&listener, &shared, &backend) => match never {},
        }

        drop(listener);
        drain(&shared).await;
        maintenance.abort();
        // It was aborted: there is no result to look at, only an end to wait for.
        let _ = maintenance.await;
        // Its threads serve until here.
        drop(backend);
        Ok(shared.stats())
    }
}

/// Lets every connection finish within the drain time, and closes those that have not.
async fn drain(shared: &Shared) {
    let drain = shared.config.drain;
    (shared.emit)(Event::ShuttingDown { connections: shared.table.open(), drain });
    shared.settings.end_pauses();
    shared.table.wake_all();
    shared.table.close_reading();
    if timeout(drain, shared.table.wait_until_below(1)).await.is_err() {
        shared.table.close_all(CloseCause::Shutdown);
        // They wake up immediately, since their sockets are shut down.
        let _ = timeout(ABORT_GRACE, shared.table.wait_until_below(1)).await;
    }
}

/// How long connections that were shut down may take to finish: a loaded machine takes a moment to run them all.
const ABORT_GRACE: Duration = Duration::from_secs(1);
