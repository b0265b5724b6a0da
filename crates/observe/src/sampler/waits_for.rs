//! What a connection buffers, and the side that it waits for.

use std::fmt;

use echoctl_record::{Queue, Queues, Sample};

use super::Connection;
use crate::Timer;

/// The side whose reads a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// Neither: bytes flow, or there are none.
    Neither,
    /// The client's receive window is closed: it reads slowly or not at all.
    Client,
    /// The server's receive window is closed: the server reads slowly or not at all.
    Server,
    /// Both windows are closed.
    Both,
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WaitsFor::Neither => "neither",
            WaitsFor::Client => "client",
            WaitsFor::Server => "server",
            WaitsFor::Both => "both",
        })
    }
}

impl Connection {
    /// Bytes in the kernels' queues; `None` for those of a client whose socket is not visible. The server need not echo, so what is
    /// inside it is not known.
    pub fn queues(&self) -> Queues {
        let counters = self.counters;
        Queues::of(&Sample {
            produced: counters.produced,
            server_received: counters.server_received,
            server_read: counters.server_read,
            server_written: counters.server_written,
            client_received: counters.client_received,
            consumed: counters.consumed,
            remote_clients: self.client.is_none().then_some(1),
            is_echo: Some(false),
            ..Sample::default()
        })
    }

    /// The side that it waits for at this moment; with a slow reader that comes and goes.
    pub fn waits_for(&self) -> WaitsFor {
        let client_is_full = self.server.is_some_and(|server| server.info.snd_wnd == Some(0))
            || self.server_timer == Some(Timer::ZeroWindowProbe);
        let waits_for_client = client_is_full && self.queues()[Queue::ServerSend].unwrap_or(0) > 0;
        match (waits_for_client, self.window() == Some(0)) {
            (true, true) => WaitsFor::Both,
            (true, false) => WaitsFor::Client,
            (false, true) => WaitsFor::Server,
            (false, false) => WaitsFor::Neither,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{Counters, Endpoint, TcpInfo, TcpState};

    fn connection(window_of_client: u32, window_of_server: u32, sent: u64) -> Connection {
        let end = |snd_wnd, rcv_wnd| Endpoint {
            info: TcpInfo {
                snd_wnd: Some(snd_wnd),
                rcv_wnd: Some(rcv_wnd),
                state: TcpState::Established,
                ..TcpInfo::default()
            },
            memory: None,
            timer: None,
        };
        let addr = SocketAddr::from(([127, 0, 0, 1], 1));
        Connection {
            counters: Counters {
                server_received: Some(9),
                server_read: Some(4),
                server_written: Some(sent),
                client_received: Some(0),
                ..Counters::default()
            },
            server: Some(end(window_of_client, window_of_server)),
            ..Connection::new(addr, addr)
        }
    }

    #[test]
    fn a_side_with_a_closed_window_is_waited_for() {
        assert_eq!(connection(1, 1, 5).waits_for(), WaitsFor::Neither);
        assert_eq!(connection(0, 1, 5).waits_for(), WaitsFor::Client);
        assert_eq!(connection(1, 0, 5).waits_for(), WaitsFor::Server);
        assert_eq!(connection(0, 0, 5).waits_for(), WaitsFor::Both);
        assert_eq!(connection(0, 1, 0).waits_for(), WaitsFor::Neither, "nothing is sent to it");
    }

    #[test]
    fn the_queues_of_a_client_elsewhere_are_unknown() {
        let queues = connection(1, 1, 5).queues();

        assert_eq!((queues[Queue::ClientSend], queues[Queue::ClientReceive]), (None, None));
        assert_eq!((queues[Queue::ServerReceive], queues[Queue::ServerSend]), (Some(5), Some(5)));
    }
}
