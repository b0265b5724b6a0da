//! Accepts connections in a loop, for every I/O model.
//!
//! While the maximum number of connections is open it stops accepting, and further clients wait in the accept backlog. When file
//! descriptors or memory run out it pauses and tries again: connections that close free what is missing.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

#[cfg(unix)]
use super::one_thread::OneThread;
use super::places::Places;
use super::threads;
#[cfg(target_os = "linux")]
use super::uring::Uring;
use super::workers::Workers;
use crate::config::{Config, Io};
use crate::connection::Connection;
use crate::connection::frames::Room;
use crate::error::Error;
use crate::event::Event;
use crate::process;
use crate::sys::{self, AsRaw, Descriptor};
use crate::table::{ConnectionHandle, Shared};

/// Accepts until the future is dropped.
pub(crate) async fn accept(listener: &TcpListener, shared: &Arc<Shared>, backend: &IoBackend) -> Infallible {
    let mut pause = FIRST_PAUSE;
    let mut reported: Option<Instant> = None;
    loop {
        shared.table.wait_until_below(shared.config.max_connections).await;
        let accepted = match process::check_available(CONNECTION_HEADROOM) {
            Ok(()) => listener.accept().await.and_then(|(stream, peer)| backend.spawn(shared, stream, peer)),
            Err(error) => Err(error.into()),
        };
        match accepted {
            Ok(()) => pause = FIRST_PAUSE,
            // The client left while it waited to be accepted: there is no connection to serve, and nothing to report.
            Err(error) if is_peer_error(&error) => tokio::task::yield_now().await,
            // Any other error may persist, so it must not be retried in a tight loop.
            Err(error) => {
                if reported.is_none_or(|reported| reported.elapsed() > REPORT_INTERVAL) {
                    reported = Some(Instant::now());
                    (shared.emit)(Event::AcceptPaused { error });
                }
                tokio::time::sleep(pause).await;
                pause = LONGEST_PAUSE.min(2 * pause);
            }
        }
    }
}

/// Serves connections in one of the I/O models.
pub(crate) enum IoBackend {
    /// One task per connection, on worker threads.
    Tasks(Workers),
    /// One thread per connection.
    Threads,
    /// One thread for all connections.
    #[cfg(unix)]
    OneThread(OneThread),
    /// One thread per core, each with an io_uring.
    #[cfg(target_os = "linux")]
    Uring(Uring),
}

impl IoBackend {
    /// Prepares for connections.
    ///
    /// # Errors
    /// If a thread of its own cannot be started, or the kernel refuses io_uring.
    pub(crate) fn start(config: &Config) -> Result<IoBackend, Error> {
        let failed = |source| Error::Start { what: "serving threads", source };
        Ok(match config.io {
            Io::Tasks => IoBackend::Tasks(Workers::start(config.workers).map_err(failed)?),
            Io::Threads => IoBackend::Threads,
            #[cfg(unix)]
            Io::OneThread => IoBackend::OneThread(OneThread::start().map_err(failed)?),
            #[cfg(target_os = "linux")]
            Io::Uring => IoBackend::Uring(Uring::start(config.workers)?),
            // `Config::check` refuses the rest.
            #[cfg(not(target_os = "linux"))]
            _ => return Err(failed(io::ErrorKind::Unsupported.into())),
        })
    }

    /// The workers that share the connections.
    pub(crate) fn places(&self) -> Arc<Places> {
        match self {
            IoBackend::Tasks(workers) => workers.places().clone(),
            #[cfg(target_os = "linux")]
            IoBackend::Uring(uring) => uring.places().clone(),
            _ => Arc::default(),
        }
    }

    fn spawn(&self, shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        // Only Linux inherits these options from the listening socket. An error means that the peer has gone.
        #[cfg(not(target_os = "linux"))]
        let _ = (stream.set_nodelay(true), socket2::SockRef::from(&stream).set_out_of_band_inline(true));
        match self {
            IoBackend::Tasks(workers) => {
                let stream = stream.into_std()?;
                let place = workers.places().choose(sys::cpu::incoming(&stream));
                let stream = workers.register(stream, place)?;
                open(shared, stream, peer, Room::Lent)?.at(place).spawn();
                Ok(())
            }
            // Made blocking before it is added to the table: if that fails, the socket closes and has no entry.
            IoBackend::Threads => threads::serve(open(shared, blocking(stream)?, peer, Room::Own)?),
            #[cfg(unix)]
            IoBackend::OneThread(thread) => thread.serve(open(shared, blocking(stream)?, peer, Room::Own)?),
            #[cfg(target_os = "linux")]
            IoBackend::Uring(uring) => uring.serve(open(shared, blocking(stream)?, peer, Room::Own)?),
        }
    }
}

/// Adds a new connection to the table.
///
/// # Errors
/// If there is no memory for its entry. (The table is not full: only the loop above adds entries, and it waited for room.)
fn open<S: AsRaw>(
    shared: &Arc<Shared>,
    stream: S,
    peer: SocketAddr,
    room: Room,
) -> io::Result<Connection<S>> {
    let entry = shared.table.insert(Descriptor::of(&stream), peer, shared.now())?;
    Ok(Connection::new(stream, ConnectionHandle::new(shared.clone(), entry), room))
}

fn blocking(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Whether the error concerns only this connection, which failed before it was accepted (see accept(2)).
fn is_peer_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | NotConnected | TimedOut)
        || matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable)
        || matches!(error.kind(), io::ErrorKind::NetworkDown | io::ErrorKind::BrokenPipe)
}

/// Bytes of memory that must be available when a connection is accepted. It needs 1 KiB; the rest is for small allocations of the
/// open connections before the next is accepted.
const CONNECTION_HEADROOM: usize = 1 << 20;

/// Long enough not to spin while file descriptors or memory are used up, and short enough that a client does not notice a lack of
/// a moment.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A server at the limit of its file descriptors runs out again with each new connection, so it does not report each time.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
