//! The two clients of each server: one that stops reading, and one that is timed beside it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::kit::loopback::{connect, is_not_now, settled};
use crate::kit::{LessonError, spawn};

/// A client that has sent until no more was accepted, and has read nothing.
pub(super) struct Stalled {
    socket: TcpStream,
    sent: usize,
}

impl Stalled {
    /// Sends until the connection accepts nothing for [`QUIET`]: then the server's write to this client waits.
    pub(super) fn connect(server: SocketAddr) -> Result<Stalled, LessonError> {
        let mut socket = connect(server)?;
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
    pub(super) fn connect(server: SocketAddr) -> Result<Healthy, LessonError> {
        let socket = connect(server)?;
        socket.set_nodelay(true)?;
        Ok(Healthy(socket))
    }

    /// The waits for echoes, in ascending order, of those that begin before `end`. The last may end much later.
    pub(super) fn waits_until(&mut self, end: Instant) -> Result<Vec<Duration>, LessonError> {
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
