//! The clients of each server: one that stops reading, and others that are timed beside it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::kit::loopback::{connect, connection, is_not_now, settled};
use crate::kit::{LessonError, join, spawn};

/// The clients of one server.
pub(super) struct Clients {
    /// The one that is going to stall.
    pub(super) stalling: TcpStream,
    pub(super) healthy: Vec<Healthy>,
}

impl Clients {
    /// Connects to a server, with this number of clients beside the one that is going to stall.
    pub(super) fn connect(server: SocketAddr, healthy: usize) -> Result<Clients, LessonError> {
        let stalling = connect(server)?;
        let healthy = (0..healthy).map(|_| Healthy::new(connect(server)?)).collect::<Result<_, _>>()?;
        Ok(Clients { stalling, healthy })
    }

    /// Connects clients to a server that does not listen: the second value has its ends.
    pub(super) fn connected(healthy: usize) -> Result<(Clients, Vec<TcpStream>), LessonError> {
        let (stalling, end) = connection()?;
        let (mut clients, mut ends) = (Clients { stalling, healthy: Vec::new() }, vec![end]);
        for _ in 0..healthy {
            let (client, end) = connection()?;
            clients.healthy.push(Healthy::new(client)?);
            ends.push(end);
        }
        Ok((clients, ends))
    }
}

/// A client that has sent until no more was accepted, and has read nothing.
pub(super) struct Stalled {
    socket: TcpStream,
    sent: usize,
}

impl Stalled {
    /// Sends until the connection accepts nothing for [`QUIET`]: then the server's write to this client waits.
    pub(super) fn stall(mut socket: TcpStream) -> Result<Stalled, LessonError> {
        socket.set_nonblocking(true)?;
        let mut sent = 0;
        settled("the client that does not read is held back", QUIET, || {
            loop {
                match socket.write(&[b'x'; CHUNK]) {
                    Ok(count) => sent += count,
                    Err(error) if is_not_now(&error) => return Ok(Some(sent)),
                    Err(error) => return Err(error.into()),
                }
            }
        })?;
        socket.set_nonblocking(false)?;
        Ok(Stalled { socket, sent })
    }

    /// Reads everything that was sent, on a thread of its own, after this time.
    pub(super) fn read_after(
        mut self,
        time: Duration,
    ) -> Result<JoinHandle<std::io::Result<()>>, LessonError> {
        spawn(move || {
            thread::sleep(time);
            let (mut received, mut buffer) = (0, vec![0; CHUNK]);
            while received < self.sent {
                match self.socket.read(&mut buffer)? {
                    0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                    count => received += count,
                }
            }
            Ok(())
        })
    }
}

/// A client that sends one byte and waits for its echo, again and again.
pub(super) struct Healthy(TcpStream);

impl Healthy {
    fn new(socket: TcpStream) -> Result<Healthy, LessonError> {
        socket.set_nodelay(true)?;
        Ok(Healthy(socket))
    }

    /// Times all of them at the same time, for this long. Returns the waits of each.
    pub(super) fn time(
        clients: &mut Vec<Healthy>,
        time: Duration,
    ) -> Result<Vec<Vec<Duration>>, LessonError> {
        let end = Instant::now() + time;
        let timed = |mut client: Healthy| spawn(move || client.waits_until(end).map(|waits| (client, waits)));
        let timed = clients.drain(..).map(timed).collect::<Result<Vec<_>, _>>()?;
        let mut all = Vec::new();
        for client in timed {
            let (client, waits) = join(client)??;
            clients.push(client);
            all.push(waits);
        }
        Ok(all)
    }

    /// The waits for echoes, in ascending order, of those that begin before `end`. The last may end much later.
    fn waits_until(&mut self, end: Instant) -> Result<Vec<Duration>, LessonError> {
        let mut waits = Vec::new();
        while Instant::now() < end || waits.is_empty() {
            let began = Instant::now();
            self.0.write_all(b"x")?;
            self.0.read_exact(&mut [0])?;
            waits.push(began.elapsed());
            thread::sleep(BETWEEN);
        }
        waits.sort();
        Ok(waits)
    }
}

/// Time without progress after which a client is held back. A shorter time would mistake the 40 ms of a delayed ACK for it.
const QUIET: Duration = Duration::from_millis(500);

/// Bytes per write and per read.
const CHUNK: usize = 1 << 16;

/// Time between two echoes: 100 per second, which is little load.
const BETWEEN: Duration = Duration::from_millis(10);
