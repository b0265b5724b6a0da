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
        let taken_in = match listener.accept().await {
            Ok((stream, peer)) => hall.take_in(shared, stream, peer),
            Err(error) => Err(error),
        };
        match taken_in {
            Ok(()) => shortage.is_over(),
            Err(error) if is_shortage(&error) => shortage.pause(shared, error).await,
            // The newcomer went while it waited to be accepted: nobody to serve, nothing to say.
            Err(_) => tokio::task::yield_now().await,
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
        // Elsewhere than on Linux the listening socket's choice is not inherited. An error means that the peer has gone.
        #[cfg(not(target_os = "linux"))]
        let _ = stream.set_nodelay(true);
        let now = shared.clock.load(std::sync::atomic::Ordering::Relaxed);
        let index = shared
            .roster
            .enter(Descriptor::of(&stream), peer, now)
            .expect("only this loop takes places, and it waited until there was one");
        let seat = Seat::new(shared.clone(), index);
        shared.count_accepted();
        match self {
            Hall::Tasks => {
                serve_in_task(Connection::new(stream, seat));
                Ok(())
            }
            Hall::Threads => threads::serve(blocking(stream)?, seat),
            Hall::OneThread(thread) => thread.serve(blocking(stream)?, seat),
        }
    }
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

/// Whether something has run out that others may give back.
fn is_shortage(error: &io::Error) -> bool {
    #[cfg(unix)]
    let codes = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EAGAIN];
    // WSAEMFILE, WSAENOBUFS.
    #[cfg(windows)]
    let codes = [10024, 10055];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
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

/// Long enough not to spin on a full table, short enough that nobody notices one that was full for a moment.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A server at the edge of its descriptors runs out with each newcomer; it need not say so each time.
const SAY_AGAIN: Duration = Duration::from_secs(10);
