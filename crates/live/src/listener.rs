//! A listener with a limited number of connections, each of which buffers little and is [bounded](crate::bounded).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::time::sleep;

use crate::bounded::{BoundedStream, Limits};
use crate::places::Places;

/// A listener with a limited number of connections.
#[derive(Debug)]
pub(crate) struct BoundedListener {
    listener: TcpListener,
    places: Places,
    limits: Limits,
}

/// Bytes of the kernel's queues of each connection. Linux doubles them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queues {
    pub(crate) send: u32,
    /// `None`: as the system does.
    pub(crate) receive: Option<u32>,
}

impl BoundedListener {
    pub(crate) fn new(listener: TcpListener, limits: Limits, connections: usize) -> BoundedListener {
        BoundedListener { listener, places: Places::new(connections), limits }
    }
}

impl axum::serve::Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (BoundedStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    let place = self.places.take(peer.ip().to_canonical()).await;
                    return (BoundedStream::new(stream, place, self.limits), peer);
                }
                // Out of file descriptors, or a connection that was reset meanwhile.
                Err(_) => sleep(ACCEPT_BACKOFF).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Listens at an address. Connections get these queues.
pub(crate) fn listen(addr: SocketAddr, queues: Queues) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As `TcpListener::bind` does.
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(queues.send)?;
    if let Some(receive) = queues.receive {
        socket.set_recv_buffer_size(receive)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Until the next attempt to accept, after the kernel has refused one.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Clients that may connect at one moment.
const BACKLOG: u32 = 1024;

#[cfg(test)]
mod tests {
    use axum::serve::Listener;
    use tokio::io::AsyncReadExt;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// More than one, so that the oldest is a choice.
    const CONNECTIONS: usize = 3;

    #[tokio::test]
    async fn a_newcomer_gets_the_place_of_a_connection_without_progress() {
        let queues = Queues { send: 8 << 10, receive: None };
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0)), queues).unwrap();
        let mut listener = BoundedListener::new(listener, Limits { stall: LONG, idle: LONG }, CONNECTIONS);
        let addr = listener.local_addr().unwrap();
        let mut clients: Vec<_> =
            (0..=CONNECTIONS).map(|_| std::net::TcpStream::connect(addr).unwrap()).collect();
        let mut accepted = Vec::new();
        while accepted.len() < CONNECTIONS {
            accepted.push(listener.accept().await.0);
        }

        let mut first = accepted.remove(0);
        let ended = async move { first.read_u8().await.unwrap_err().kind() };
        let (kind, (mut newcomer, _)) = tokio::join!(ended, listener.accept());

        assert_eq!(kind, io::ErrorKind::ConnectionAborted);
        io::Write::write_all(&mut clients[CONNECTIONS], b"x").unwrap();
        assert_eq!(newcomer.read_u8().await.unwrap(), b'x');
    }
}
