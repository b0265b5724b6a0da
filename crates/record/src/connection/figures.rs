//! What a kernel shows of one connection at one instant: the input of the rule that finds its cause.

use serde::{Deserialize, Serialize};

/// How far a connection is in its life, as the server's kernel sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionPhase {
    /// Complete, and not accepted by the server. The client may have closed it meanwhile.
    InAcceptQueue,
    /// Open in both directions.
    #[default]
    Open,
    /// The client has closed its side, the server has not (CLOSE-WAIT).
    ClosedByClient,
    /// The server has closed; its FIN or data before it is not acknowledged (FIN-WAIT-1, CLOSING, LAST-ACK), or the client has not
    /// closed (FIN-WAIT-2).
    ClosedByServer,
}

/// The running timer of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketTimer {
    /// Data was sent and is not acknowledged yet: it is sent again when the timer expires.
    Retransmit,
    /// An idle peer is to be probed.
    KeepAlive,
    /// Data waits, and the peer's receive window has no room for it: the window is to be probed.
    ZeroWindowProbe,
}

/// What the kernel shows of one connection. Sizes in bytes, times in seconds; `None` is not visible.
///
/// "Server" is the end that accepted the connection, "client" the one that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ConnectionFigures {
    /// How far it is in its life.
    pub phase: ConnectionPhase,
    /// Written by the client, not acknowledged by the server's kernel.
    pub client_send: Option<u64>,
    /// Received by the server's kernel, not read by the server.
    pub server_receive: Option<u64>,
    /// Written by the server, not acknowledged by the client's kernel.
    pub server_send: Option<u64>,
    /// Received by the client's kernel, not read by the client.
    pub client_receive: Option<u64>,
    /// Receive window that the client last advertised. Of a Unix-domain socket: 0 while the server cannot write.
    pub client_window: Option<u64>,
    /// The largest receive window that the client was seen to advertise.
    pub largest_client_window: Option<u64>,
    /// How long ago the client's window was last seen closed; 0 while it is.
    pub since_window_closed: Option<f64>,
    /// Receive window of the server.
    pub server_window: Option<u64>,
    /// The running timer of the server's socket.
    pub timer: Option<SocketTimer>,
    /// Retransmissions or probes of the server's kernel that nothing has answered, in a row.
    pub unanswered: u32,
    /// Since the last segment of any kind from the client's kernel.
    pub since_client_answered: Option<f64>,
    /// Since the last payload from the client arrived; without any, since the connection was opened.
    pub since_received: Option<f64>,
    /// Since payload was last sent to the client; without any, since the connection was opened. Probes of a closed window do not
    /// count, so during a stall this is its age.
    pub since_sent: Option<f64>,
    /// How long bytes in `server_receive` have waited without the server reading any: since it last read, or since the queue was
    /// last empty. Before either was seen, since the connection was first seen.
    pub since_server_read: Option<f64>,
    /// The same of what the server has written: since the client last read, or since nothing waited for it. Of a client whose end is
    /// not visible, reading is what its kernel acknowledges.
    pub since_client_read: Option<f64>,
    /// Share (0 to 1) of the last seconds in which only the client's receive window kept the server's kernel from sending.
    pub client_limited: Option<f64>,
    /// How long the last wait of the server for this client's window was that has ended. Only waits of half a second and more.
    pub last_wait: Option<f64>,
    /// How long ago that wait ended.
    pub since_last_wait: Option<f64>,
    /// Bytes per second that the server's kernel has received from the client over the last seconds; `None` before the second sample.
    pub receive_rate: Option<f64>,
    /// Bytes per second that the server has written to the client over the last seconds; `None` before the second sample.
    pub send_rate: Option<f64>,
    /// Bytes per second that the server has read over the last seconds; `None` in the first half second.
    pub server_read_rate: Option<f64>,
    /// The same of the client. If its end is not visible, reading is what its kernel acknowledges, which comes in jumps.
    pub client_read_rate: Option<f64>,
    /// How long the connection has been seen in its phase.
    pub in_phase_for: f64,
    /// How long the connection has been observed.
    pub seen_for: f64,
}

impl ConnectionFigures {
    /// Bytes in the kernels' queues, as far as they are visible.
    pub fn queued(&self) -> u64 {
        let queues = [self.client_send, self.server_receive, self.server_send, self.client_receive];
        queues.into_iter().flatten().sum()
    }
}
