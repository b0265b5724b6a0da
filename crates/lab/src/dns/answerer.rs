//! Serves the zone over sockets: answers datagrams one by one, and splits streams at the length prefixes.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use echoctl_proto::{Buffer, FrameDecoder, Framing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout, timeout_at};

use super::connections::{Connections, LastAnswer};
use super::{Exchange, Transport, reply};

/// A DNS server for `test.`, bound to one address on UDP and TCP.
#[derive(Debug)]
pub struct Answerer {
    udp: UdpSocket,
    tcp: TcpListener,
    addr: SocketAddr,
    max_connections: usize,
}

impl Answerer {
    /// Binds both sockets to `addr`. Port 0 selects a port that is free for both.
    ///
    /// # Errors
    /// When either address is in use or not permitted; the error is the system's.
    pub async fn bind(addr: SocketAddr) -> io::Result<Answerer> {
        let mut tries = 0;
        loop {
            tries += 1;
            let tcp = TcpListener::bind(addr).await?;
            let bound = tcp.local_addr()?;
            match UdpSocket::bind(bound).await {
                Ok(udp) => {
                    return Ok(Answerer { udp, tcp, addr: bound, max_connections: MAX_CONNECTIONS });
                }
                // The kernel chose a port that is free for TCP, but in use for UDP.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && addr.port() == 0 && tries < BIND_TRIES => {
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The address on which it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until `shutdown` completes. An error of a client closes only that client's connection.
    ///
    /// Calls `observer` with each message, answered or not. It must return immediately: the next client waits for it.
    pub async fn run(self, shutdown: impl Future, observer: impl Fn(&Exchange) + Send + Sync + 'static) {
        let observer: Arc<Observer> = Arc::new(observer);
        let secrets = RandomState::new();
        tokio::select! {
            _ = datagrams(&self.udp, &secrets, &*observer) => {}
            _ = streams(&self.tcp, self.max_connections, &secrets, &observer) => {}
            _ = shutdown => {}
        }
    }
}

/// A callback for each message.
type Observer = dyn Fn(&Exchange) + Send + Sync;

/// A secret number for a client's address, from which its cookies are made.
fn secret(secrets: &RandomState, peer: SocketAddr) -> u64 {
    secrets.hash_one(peer.ip())
}

/// Answers datagrams one by one. A datagram is a message and needs no decoder.
async fn datagrams(udp: &UdpSocket, secrets: &RandomState, observer: &Observer) {
    let mut datagram = vec![0; usize::from(u16::MAX)];
    loop {
        let Ok((length, peer)) = udp.recv_from(&mut datagram).await else {
            // An error here is about an earlier datagram whose client has gone (ICMP). The socket still works.
            tokio::task::yield_now().await;
            continue;
        };
        let query = &datagram[..length];
        let reply = reply(query, Transport::Udp, secret(secrets, peer));
        if let Some(reply) = &reply {
            // A client over UDP expects that replies can be lost, and retries.
            let _ = udp.send_to(reply, peer).await;
        }
        observer(&Exchange { transport: Transport::Udp, peer, query, reply: reply.as_deref() });
    }
}

/// Accepts connections, a bounded number at a time.
async fn streams(tcp: &TcpListener, max: usize, secrets: &RandomState, observer: &Arc<Observer>) {
    let mut connections = Connections::new(max);
    loop {
        match tcp.accept().await {
            Ok((connection, peer)) => {
                let (observer, secret, last_answer) =
                    (observer.clone(), secret(secrets, peer), connections.last_answer());
                let its_own = last_answer.clone();
                let task = tokio::spawn(async move {
                    // An error concerns only this connection, which is closed now.
                    let _ = answer_stream(connection, peer, secret, &*observer, &its_own).await;
                });
                connections.insert(task.abort_handle(), last_answer);
            }
            // The client closed the connection before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Most likely out of file descriptors: close an idle connection to free one, and wait.
            Err(_) => {
                connections.close_longest_idle();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

// [show]
/// Answers the queries of one connection in order, wherever the stream is split.
async fn answer_stream(
    mut connection: TcpStream,
    peer: SocketAddr,
    secret: u64,
    observer: &Observer,
    last_answer: &LastAnswer,
) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let (mut buffer, mut decoder) =
        (Buffer::new(MAX_BUFFERED), FrameDecoder::new(Framing::U16, usize::from(u16::MAX)));
    let mut chunk = [0; 2048];
    let mut deadline = Instant::now() + QUERY_TIMEOUT; // for the next complete query, not for the next byte
    loop {
        while let Some(frame) = decoder.decode(buffer.unread()).map_err(io::Error::other)? {
            let (query, used) = (frame.payload, frame.bytes.len());
            let reply = reply(query, Transport::Tcp, secret);
            observer(&Exchange { transport: Transport::Tcp, peer, query, reply: reply.as_deref() });
            let Some(reply) = reply else { return Ok(()) };
            buffer.consume(used);
            let length = u16::try_from(reply.len()).map_err(io::Error::other)?;
            let mut message = length.to_be_bytes().to_vec();
            message.extend(reply); // length and message in one write (see the lesson)
            timeout(QUERY_TIMEOUT, connection.write_all(&message)).await??;
            last_answer.update();
            deadline = Instant::now() + QUERY_TIMEOUT;
        }
        let read = timeout_at(deadline, connection.read(&mut chunk)).await??;
        if read == 0 {
            return Ok(());
        }
        buffer.append(&chunk[..read]).map_err(io::Error::other)?;
    }
}
// [/show]

/// Maximum unread bytes of a connection: the longest message with its length, and one read.
const MAX_BUFFERED: usize = 2 + u16::MAX as usize + 2048;

/// Maximum number of open connections; in the worst case each holds a query and a reply, 66 MiB in total.
const MAX_CONNECTIONS: usize = 512;

/// Time limit for receiving a complete query, and for sending its reply (RFC 7766, section 6.2.3, recommends seconds).
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two attempts to accept after an error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Maximum number of ports tried until one is free for both UDP and TCP.
const BIND_TRIES: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::query;

    /// A server with a low connection limit, as a task that stops with the test.
    async fn answerer(max_connections: usize) -> SocketAddr {
        let answerer = Answerer::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let addr = answerer.local_addr();
        tokio::spawn(Answerer { max_connections, ..answerer }.run(std::future::pending::<()>(), |_| {}));
        addr
    }

    async fn ask(connection: &mut TcpStream, id: u16) -> io::Result<u16> {
        let query = query(id, "small.test", None);
        let length = u16::try_from(query.len()).map_err(io::Error::other)?;
        connection.write_all(&[&length.to_be_bytes()[..], &query].concat()).await?;
        let length = connection.read_u16().await?;
        let mut reply = vec![0; length.into()];
        connection.read_exact(&mut reply).await?;
        Ok(u16::from_be_bytes([reply[0], reply[1]]))
    }

    fn on_a_runtime(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { timeout(Duration::from_secs(60), test).await.expect("it ends") });
    }

    #[test]
    fn silent_connections_do_not_keep_others_out() {
        on_a_runtime(async {
            let addr = answerer(4).await;
            let mut active = TcpStream::connect(addr).await.unwrap();
            let mut silent = Vec::new();
            for id in 1..=12 {
                // Each new connection replaces the one that has been idle longest.
                silent.push(TcpStream::connect(addr).await.unwrap());
                let mut new = TcpStream::connect(addr).await.unwrap();
                assert_eq!(ask(&mut new, id).await.unwrap(), id);
                assert_eq!(ask(&mut active, id).await.unwrap(), id, "it is not the longest idle");
            }
            assert!(matches!(silent[0].read(&mut [0]).await, Ok(0) | Err(_)), "it has been closed");
        });
    }

    #[test]
    fn a_client_that_reads_no_replies_is_held_back() {
        on_a_runtime(async {
            let addr = answerer(4).await;
            let mut greedy = TcpStream::connect(addr).await.unwrap();
            let query = query(1, "60000.txt.test", None);
            let prefixed =
                [&u16::try_from(query.len()).unwrap().to_be_bytes()[..], &query].concat().repeat(2000);

            // The two kernels buffer some megabytes of queries; a server that kept reading would accept any number.
            let (max, mut sent) = (256 << 20, 0);
            while let Ok(written) = timeout(Duration::from_millis(500), greedy.write(&prefixed)).await {
                sent += written.unwrap();
                assert!(sent < max, "{sent} bytes of queries were accepted without reading a reply");
            }

            let mut other = TcpStream::connect(addr).await.unwrap();
            assert_eq!(ask(&mut other, 2).await.unwrap(), 2);
        });
    }
}
