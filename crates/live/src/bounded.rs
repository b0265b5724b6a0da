//! A connection that is limited in the time in which it makes no progress.
//!
//! A new client never waits for those that make no progress: see [`places`](crate::places). Without a newcomer,
//!
//! | a client that | is disconnected after |
//! |---|---|
//! | sends a request slowly | [`STALL_LIMIT`] from its first byte |
//! | does not read a reply | [`STALL_LIMIT`] without an acknowledged byte |
//! | sends nothing | [`IDLE_LIMIT`] |
//!
//! The limits are those of the socket: they hold whatever the protocol above it waits for. A client that does not read is reset, so
//! that its send queue ends with it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::places::{Place, PlaceId};

/// Times without progress after which a connection ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Within a request or a reply.
    pub(crate) stall: Duration,
    /// Between a reply and the next request.
    pub(crate) idle: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { stall: STALL_LIMIT, idle: IDLE_LIMIT }
    }
}

/// A connection that fails with [`TimedOut`](io::ErrorKind::TimedOut) when it makes no progress, and with
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) when another client needs its place.
#[derive(Debug)]
pub(crate) struct BoundedStream {
    stream: TcpStream,
    limits: Limits,
    deadline: Pin<Box<Sleep>>,
    state: State,
    place: Place,
}

/// What the deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was received since the last write.
    Idle,
    /// A part of a request was received. What follows does not move the deadline.
    Receiving,
    /// The kernel accepts nothing more: the client does not read.
    Blocked,
}

impl BoundedStream {
    pub(crate) fn new(stream: TcpStream, place: Place, limits: Limits) -> BoundedStream {
        // The first request is due at once.
        let deadline = Box::pin(sleep(limits.stall));
        BoundedStream { stream, limits, deadline, state: State::Idle, place }
    }

    /// The address that the client connected to.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    pub(crate) fn place(&self) -> &PlaceId {
        self.place.id()
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        let limit = if state == State::Idle { self.limits.idle } else { self.limits.stall };
        self.deadline.as_mut().reset(Instant::now() + limit);
    }

    /// Waits, or fails once the deadline has passed or the place is needed.
    fn poll_deadline<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if self.place.poll_ended(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                if self.state != State::Blocked {
                    self.enter(State::Blocked);
                }
                self.poll_deadline(context)
            }
            written => {
                self.enter(State::Idle);
                self.place.progress();
                written
            }
        }
    }
}

impl Drop for BoundedStream {
    fn drop(&mut self) {
        // Closed in order, it would leave its send queue to the kernel, which keeps it for minutes for a client that does not read.
        if self.state == State::Blocked || self.place.has_ended() {
            // Without it, it is closed in order.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Pending => this.poll_deadline(context),
            read => {
                if this.state == State::Idle {
                    this.enter(State::Receiving);
                }
                read
            }
        }
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.wrote(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// As long as Prometheus waits for a reply by default.
const STALL_LIMIT: Duration = Duration::from_secs(10);

/// Longer than the usual intervals of a scraper that keeps its connection (15 s to 2 min).
const IDLE_LIMIT: Duration = Duration::from_secs(150);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::places::Places;

    /// Far shorter than the idle limit: whichever ends a connection is known from how long it took.
    const SHORT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(3600);

    /// A client and the server's end of its connection.
    async fn connected(limits: Limits) -> (TcpStream, BoundedStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let place = Places::new(1).take(peer.ip()).await;
        (client, BoundedStream::new(stream, place, limits))
    }

    fn timed_out<T: std::fmt::Debug>(result: io::Result<T>) {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_disconnected() {
        let (mut client, mut server) = connected(Limits { stall: SHORT, idle: LONG }).await;

        let written = async {
            loop {
                server.write_all(&[7; 1 << 16]).await?;
            }
        };

        timed_out::<()>(written.await);
        drop(server);
        let read = async {
            loop {
                client.read_u8().await?;
            }
        };
        // Not the end of the stream: the kernel has nothing left for it.
        let reset: io::Result<()> = read.await;
        assert_eq!(reset.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_not_awaited() {
        let (mut client, mut server) = connected(Limits { stall: SHORT, idle: LONG }).await;
        let sending = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SHORT / 20).await;
            }
        });

        let read = async {
            loop {
                server.read_u8().await?;
            }
        };

        timed_out::<()>(read.await);
        drop(server);
        sending.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_may_be_idle_between_requests_for_longer() {
        let (mut client, mut server) = connected(Limits { stall: LONG, idle: SHORT }).await;
        client.write_all(b"x").await.unwrap();
        server.read_u8().await.unwrap();
        server.write_all(b"reply").await.unwrap();

        timed_out(server.read_u8().await);
    }
}
