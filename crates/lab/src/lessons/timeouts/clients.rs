//! Five clients of a server: one that sends nothing, and four that send all the time and read at different rates.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::kit::LessonError;
use crate::kit::loopback::{TIMEOUT, is_not_now, tcp_socket};

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// Sends nothing.
    Silent,
    /// Sends all the time, and reads this many bytes per second.
    Reads(u64),
}

/// One client.
pub(super) struct Client {
    habit: Habit,
    socket: TcpStream,
    received: u64,
    is_open: bool,
}

impl Client {
    /// Connects with a small receive buffer, so that a closed window opens after little has been read.
    pub(super) fn connect(server: SocketAddr, habit: Habit) -> Result<Client, LessonError> {
        let socket: Socket = tcp_socket(Some(BUFFER), Some(BUFFER))?;
        socket.connect_timeout(&server.into(), TIMEOUT)?;
        socket.set_nonblocking(true)?;
        Ok(Client { habit, socket: socket.into(), received: 0, is_open: true })
    }

    /// Its address, by which the server knows it.
    pub(super) fn addr(&self) -> Result<SocketAddr, LessonError> {
        Ok(self.socket.local_addr()?)
    }

    /// Sends what is accepted, and reads what is due after `elapsed`. An error means that the server has closed the connection; the
    /// server reports why.
    fn act(&mut self, elapsed: Duration) {
        let Habit::Reads(rate) = self.habit else { return };
        let written = loop {
            if let Err(error) = self.socket.write(&[b'x'; CHUNK]) {
                break error;
            }
        };
        let due = (elapsed.as_secs_f64() * rate as f64) as u64;
        let wanted = due.saturating_sub(self.received).min(CHUNK as u64) as usize;
        let read = self.socket.read(&mut [0; CHUNK][..wanted]);
        self.received += *read.as_ref().unwrap_or(&0) as u64;
        self.is_open = is_not_now(&written) && read.map_or_else(|error| is_not_now(&error), |_| true);
    }
}

/// Lets all clients act for this long.
pub(super) fn act_all(clients: &mut [Client], duration: Duration) {
    let began = Instant::now();
    while began.elapsed() < duration {
        for client in clients.iter_mut().filter(|client| client.is_open) {
            client.act(began.elapsed());
        }
        thread::sleep(BETWEEN);
    }
}

/// Size of each buffer in bytes, as passed to the kernel (Linux doubles it), at both ends.
pub(super) const BUFFER: usize = 64 << 10;

/// Bytes per write and the most per read.
const CHUNK: usize = 16 << 10;

/// Time between two reads of a client: with up to 16 KiB each, enough for 3 MiB per second.
const BETWEEN: Duration = Duration::from_millis(5);
