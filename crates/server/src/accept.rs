//! Accepting: one loop that takes connections in, whatever kind of I/O serves them.
//!
//! When there is no place left it stops accepting, and newcomers wait in the kernel's backlog. When descriptors or memory
//! run out it pauses and tries again: connections that close give back what is missing.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use crate::config::Io;
use crate::connection::Connection;
use crate::event::Event;
use crate::memory;
use crate::one_thread::OneThread;
use crate::policy::Policy;
use crate::seat::Seat;
use crate::shared::Shared;
use crate::sys::Descriptor;
use crate::{awaiting, queued, threads};

/// Accepts for ever; dropping the future ends it.
pub(crate) async fn accept(listener: &TcpListener, shared: &Arc<Shared>, hall: &Hall) -> Infallible {
    let mut shortage = Shortage::default();
    loop {
        shared.roster.has_place().await;
        let taken_in = match memory::check_left(ROOM_FOR_A_CONNECTION) {
            Ok(()) => listener.accept().await.and_then(|(stream, peer)| hall.take_in(shared, stream, peer)),
            Err(error) => Err(error.into()),
        };
        match taken_in {
            Ok(()) => shortage.is_over(),
            // The newcomer went while it waited to be accepted: no connection to serve, nothing to report.
            Err(error) if is_about_the_peer(&error) => tokio::task::yield_now().await,
            // Whatever else it is may last, so it must not be retried in a tight loop.
            Err(error) => shortage.pause(shared, error).await,
        }
    }
}

/// Where connections are served.
pub(crate) enum Hall {
    /// Each by a task.
    Tasks,
    /// Each by a thread.
    Threads,
    /// All by one thread.
    OneThread(OneThread),
}

impl Hall {
    /// Gets ready for connections of this kind.
    pub(crate) fn open(io: Io) -> io::Result<Hall> {
        Ok(match io {
            Io::Tasks => Hall::Tasks,
            Io::Threads => Hall::Threads,
            Io::OneThread => Hall::OneThread(OneThread::start()?),
        })
    }

    fn take_in(&self, shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        // Elsewhere than on Linux the listening socket's choices are not inherited. An error means that the peer has gone.
        #[cfg(not(target_os = "linux"))]
        let _ = (stream.set_nodelay(true), socket2::SockRef::from(&stream).set_out_of_band_inline(true));
        match self {
            Hall::Tasks => {
                let seat = seat(shared, Descriptor::of(&stream), peer)?;
                serve_in_task(Connection::new(stream, seat));
                Ok(())
            }
            // Made blocking before it is listed: should that fail, the socket closes and stands in no list.
            Hall::Threads => {
                let stream = blocking(stream)?;
                let seat = seat(shared, Descriptor::of(&stream), peer)?;
                threads::serve(stream, seat)
            }
            Hall::OneThread(thread) => {
                let stream = blocking(stream)?;
                let seat = seat(shared, Descriptor::of(&stream), peer)?;
                thread.serve(stream, seat)
            }
        }
    }
}

/// A seat for a newcomer.
///
/// # Errors
/// When there is no memory for one. (There is a place: only the loop above takes places, and it waited until there was one.)
fn seat(shared: &Arc<Shared>, descriptor: Descriptor, peer: SocketAddr) -> io::Result<Seat> {
    let now = shared.clock.load(std::sync::atomic::Ordering::Relaxed);
    let index = shared.roster.enter(descriptor, peer, now)?;
    shared.count_accepted();
    Ok(Seat::new(shared.clone(), index))
}

/// The roster is the task's owner: it ends the connection, and so the task, and waits for it.
fn serve_in_task(connection: Connection) {
    match connection.seat.config().policy {
        Policy::Await => tokio::spawn(awaiting::serve(connection)),
        _ => tokio::spawn(queued::serve(connection)),
    };
}

fn blocking(stream: TcpStream) -> io::Result<std::net::TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Whether only this newcomer is lost, to whom the error came before it was accepted (see accept(2)).
fn is_about_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, NotConnected, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | NotConnected | TimedOut)
        || matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable)
        || matches!(error.kind(), io::ErrorKind::NetworkDown | io::ErrorKind::BrokenPipe)
}

/// How long to pause while something has run out, and whether that has been said.
#[derive(Default)]
struct Shortage {
    pauses: u32,
    told: Option<Instant>,
}

impl Shortage {
    fn is_over(&mut self) {
        self.pauses = 0;
    }

    async fn pause(&mut self, shared: &Shared, error: io::Error) {
        if self.told.is_none_or(|told| told.elapsed() > SAY_AGAIN) {
            self.told = Some(Instant::now());
            (shared.tell)(Event::AcceptPaused { error });
        }
        tokio::time::sleep(LONGEST_PAUSE.min(FIRST_PAUSE * 2u32.saturating_pow(self.pauses))).await;
        self.pauses = (self.pauses + 1).min(10);
    }
}

/// Bytes of memory that must be left when a connection is accepted. It takes one KiB; the rest is for the small things that those
/// who are open may need before the next is accepted.
const ROOM_FOR_A_CONNECTION: usize = 1 << 20;

/// Long enough not to spin on a full table, short enough that nobody notices one that was full for a moment.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A server at the edge of its descriptors runs out with each newcomer; it need not say so each time.
const SAY_AGAIN: Duration = Duration::from_secs(10);
