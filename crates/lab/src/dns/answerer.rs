//! The answerer's sockets: datagrams are answered as they come, streams are cut by the two length bytes.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use echoctl_proto::{Buffer, Cutter, Framing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Exchange, Limit, Transport, reply};

/// A DNS server for `test.`, bound to one address on UDP and TCP.
#[derive(Debug)]
pub struct Answerer {
    udp: UdpSocket,
    tcp: TcpListener,
    addr: SocketAddr,
}

impl Answerer {
    /// Binds both sockets to `addr`. Port 0 finds a port that is free on both.
    ///
    /// # Errors
    /// When either is taken or not permitted; the error is the system's.
    pub async fn bind(addr: SocketAddr) -> io::Result<Answerer> {
        let mut tries = 0;
        loop {
            tries += 1;
            let tcp = TcpListener::bind(addr).await?;
            let bound = tcp.local_addr()?;
            match UdpSocket::bind(bound).await {
                Ok(udp) => return Ok(Answerer { udp, tcp, addr: bound }),
                // The kernel chose the port for TCP alone; on UDP somebody has it already.
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && addr.port() == 0 && tries < BIND_TRIES => {
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where it answers.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until `shutdown` completes. What an asker does wrong ends that asker's connection alone.
    ///
    /// `seen` is told of each message, answered or not. It must return at once: the next asker waits for it.
    pub async fn run(self, shutdown: impl Future, seen: impl Fn(&Exchange) + Send + Sync + 'static) {
        let seen: Arc<Seen> = Arc::new(seen);
        tokio::select! {
            _ = datagrams(&self.udp, &*seen) => {}
            _ = streams(&self.tcp, &seen) => {}
            _ = shutdown => {}
        }
    }
}

/// Who is told of each message.
type Seen = dyn Fn(&Exchange) + Send + Sync;

/// Answers datagrams one by one. A datagram is a message: there is nothing to cut.
async fn datagrams(udp: &UdpSocket, seen: &Seen) {
    let mut datagram = vec![0; usize::from(u16::MAX)];
    loop {
        // An error here is about an earlier datagram whose asker is gone (ICMP): the socket is well.
        let Ok((length, peer)) = udp.recv_from(&mut datagram).await else { continue };
        let query = &datagram[..length];
        let reply = reply(query, Limit::Datagram);
        if let Some(reply) = &reply {
            // Who asks over UDP knows that a reply may be lost, and asks again.
            let _ = udp.send_to(reply, peer).await;
        }
        seen(&Exchange { transport: Transport::Udp, peer, query, reply: reply.as_deref() });
    }
}

/// Accepts connections, a bounded number at a time; the others wait in the backlog.
async fn streams(tcp: &TcpListener, seen: &Arc<Seen>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
        match tcp.accept().await {
            Ok((connection, peer)) => {
                let seen = seen.clone();
                tokio::spawn(async move {
                    let _place = place;
                    // Whatever ended it, the connection is over and nobody else is concerned.
                    let _ = answer_stream(connection, peer, &*seen).await;
                });
            }
            // Out of descriptors, most likely: wait until some are given back.
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

// [show]
/// Answers the queries of one connection in order, however the stream is cut on its way here.
async fn answer_stream(mut connection: TcpStream, peer: SocketAddr, seen: &Seen) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let (mut buffer, mut cutter) = (Buffer::new(LONGEST), Cutter::new(Framing::U16, usize::from(u16::MAX)));
    let mut chunk = [0; 2048];
    loop {
        while let Some(frame) = cutter.cut(buffer.unread()).map_err(io::Error::other)? {
            let (query, used) = (frame.payload, frame.whole.len());
            let reply = reply(query, Limit::Stream);
            seen(&Exchange { transport: Transport::Tcp, peer, query, reply: reply.as_deref() });
            let Some(reply) = reply else { return Ok(()) };
            buffer.consume(used);
            let mut message = (reply.len() as u16).to_be_bytes().to_vec();
            message.extend(reply); // length and message in one write, see the lesson
            timeout(PATIENCE, connection.write_all(&message)).await??;
        }
        let read = timeout(PATIENCE, connection.read(&mut chunk)).await??;
        if read == 0 {
            return Ok(());
        }
        buffer.append(&chunk[..read]).map_err(io::Error::other)?;
    }
}
// [/show]

/// The most unread bytes of a connection: the longest message with its length, and one read.
const LONGEST: usize = 2 + u16::MAX as usize + 2048;

/// Connections served at once; at worst each holds a message, 33 MiB in all.
const MOST_CONNECTIONS: usize = 512;

/// How long an asker may be silent, or take none of its reply (RFC 7766, section 6.2.3, asks for seconds).
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two tries to accept when the system refuses.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Ports tried until one is free on both UDP and TCP.
const BIND_TRIES: u32 = 16;
