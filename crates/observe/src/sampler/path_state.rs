//! State of the path beyond a sample's six counters, over all connections: windows, limits, closes.

use std::time::{Duration, Instant};

use super::connection::{Connection, ServerClose};
use crate::{Endpoint, SocketMemory, Timer};

/// State of all connections of a sample. Sizes in bytes; `None` if no connection shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathState {
    /// Number of connections, including closed ones.
    pub connections: u32,
    /// Those that the server has not closed: see [`Connection::is_alive`].
    pub alive: u32,
    /// Those that the server has closed with a FIN: see [`Connection::closed_by_server`].
    pub closed_by_server: u32,
    /// The longest time that a receive window has been zero, until now.
    pub window_zero_for: Option<Duration>,
    /// The smallest receive window that the server advertises.
    pub window: Option<u64>,
    /// The smallest congestion window, in bytes: the sender's own limit for data in the network.
    pub congestion_window: Option<u64>,
    /// Occupancy of the clients' send queues.
    pub client_send: Occupancy,
    /// Occupancy of the server's receive queues.
    pub server_receive: Occupancy,
    /// Occupancy of the server's send queues.
    pub server_send: Occupancy,
    /// Occupancy of the clients' receive queues.
    pub client_receive: Occupancy,
}

/// How full queues are, as the kernel counts: memory, not payload, relative to a limit that the kernel changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Occupancy {
    /// Memory in use.
    pub memory: u64,
    /// Limit of the memory; 0: not visible.
    pub limit: u64,
    /// Number of queues.
    pub queues: u32,
    /// Number of queues that accept no more bytes: a send queue whose socket is not writable, a receive queue whose window
    /// is closed, or so small that the sender waits.
    pub full: u32,
}

impl Occupancy {
    /// Memory in use as a fraction of the limit; it may slightly exceed 1. `None` if it is not visible.
    pub fn fraction(self) -> Option<f64> {
        (self.limit > 0).then(|| self.memory as f64 / self.limit as f64)
    }

    /// Whether every queue is full.
    pub fn is_full(self) -> bool {
        self.queues > 0 && self.full == self.queues
    }
}

impl PathState {
    /// The state of these connections at `now`.
    pub(super) fn of<'a>(connections: impl Iterator<Item = &'a Connection>, now: Instant) -> PathState {
        let mut path = PathState::default();
        connections.for_each(|connection| path.add(connection, now));
        path
    }

    /// Adds a connection as it is at `now`.
    pub(super) fn add(&mut self, connection: &Connection, now: Instant) {
        self.connections += 1;
        self.alive += u32::from(connection.is_alive());
        self.closed_by_server += u32::from(connection.closed_by_server() == Some(ServerClose::Fin));
        let window = connection.window().map(u64::from);
        self.window = self.window.into_iter().chain(window).min();
        self.window_zero_for = self.window_zero_for.max(connection.window_zero_for(now));
        if let Some(Endpoint { info, memory, .. }) = connection.client {
            let congestion_window = u64::from(info.snd_cwnd) * u64::from(info.snd_mss);
            self.congestion_window = self.congestion_window.into_iter().chain([congestion_window]).min();
            if let Some(memory) = memory {
                let window = connection.server.map_or(info.rcv_wnd, |server| server.info.snd_wnd);
                self.client_send.add_send(memory);
                self.client_receive.add_receive(memory, window, is_probing(connection.server));
            }
        }
        if let Some(memory) = connection.server.and_then(|endpoint| endpoint.memory) {
            self.server_send.add_send(memory);
            self.server_receive.add_receive(memory, connection.window(), is_probing(connection.client));
        }
    }
}

impl Occupancy {
    fn add_send(&mut self, memory: SocketMemory) {
        self.add(memory.send, memory.send_limit, !memory.is_writable());
    }

    fn add_receive(&mut self, memory: SocketMemory, window: Option<u32>, is_probed: bool) {
        let is_full = window == Some(0) || is_probed || memory.receive >= memory.receive_limit;
        self.add(memory.receive, memory.receive_limit, is_full);
    }

    fn add(&mut self, memory: u32, limit: u32, is_full: bool) {
        self.memory += u64::from(memory);
        self.limit += u64::from(limit);
        self.queues += 1;
        self.full += u32::from(is_full);
    }
}

/// Whether this sender waits for its peer's receive window, which may be open but too small for a segment.
fn is_probing(sender: Option<Endpoint>) -> bool {
    sender.is_some_and(|sender| sender.timer == Some(Timer::ZeroWindowProbe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_queue_over_two_thirds_is_full() {
        let memory = |send| SocketMemory { send, send_limit: 3000, ..SocketMemory::default() };
        let occupancy = |sizes: &[u32]| {
            let mut occupancy = Occupancy::default();
            sizes.iter().for_each(|&send| occupancy.add_send(memory(send)));
            occupancy
        };

        assert!(!occupancy(&[]).is_full());
        assert!(!occupancy(&[2000]).is_full());
        assert!(occupancy(&[2002]).is_full());
        assert!(!occupancy(&[3100, 1000]).is_full(), "the second one is writable");
    }

    #[test]
    fn a_receive_queue_with_a_closed_window_is_full() {
        let memory = SocketMemory { receive: 500, receive_limit: 1000, ..SocketMemory::default() };
        let cases =
            [(Some(0), false, true), (Some(1), false, false), (Some(1), true, true), (None, false, false)];
        for (window, is_probed, is_full) in cases {
            let mut occupancy = Occupancy::default();
            occupancy.add_receive(memory, window, is_probed);

            assert_eq!(occupancy.is_full(), is_full, "{window:?}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_that_blocks_its_writer_is_not_writable() {
        use std::io::{ErrorKind, Write};

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();

        // The kernel frees memory as bytes arrive at the peer, so only what is in use before the write counts.
        let blocked = loop {
            let before = SocketMemory::of(&client).unwrap();
            match client.write(&[7; 64 * 1024]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break before,
                Err(error) => panic!("{error}"),
            }
        };

        assert!(!blocked.is_writable(), "{blocked:?}");
    }
}
