//! An edge of the map: all connections that one node opened to one address of another node.

use serde::{Deserialize, Serialize};

/// The connections from one node to one address of another.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessEdge {
    /// The node that opened them.
    pub from: usize,
    /// The node that accepted them.
    pub to: usize,
    /// What carries them.
    pub transport: Transport,
    /// The address or the path that they were opened to; empty if it has none, as a pair of sockets.
    pub address: String,
    /// Number of connections.
    pub connections: u32,
    /// Those in the accept queue: `to` has not accepted them yet.
    #[serde(default)]
    pub in_accept_queue: u32,
    /// Bytes from `from` to `to`.
    pub to_server: EdgeFlow,
    /// Bytes from `to` to `from`.
    pub to_client: EdgeFlow,
}

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// A Unix-domain socket.
    Unix,
}

/// The bytes of an edge in one direction, over all its connections. Sizes in bytes; `None`: not visible here.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EdgeFlow {
    /// In the writer's send queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_queue: Option<u64>,
    /// In the reader's receive queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_queue: Option<u64>,
    /// How full the fullest connection is.
    pub fill: Fill,
    /// Number of connections that are full now.
    pub full: u32,
    /// Number of connections that were full for most of the last second: their writers are held back.
    pub held_back: u32,
    /// Number of connections whose reader has not read for a second although bytes wait: it holds their writers back as soon as the
    /// queues are full.
    #[serde(default)]
    pub not_read: u32,
    /// Those of them whose peer acknowledges nothing, although its window is open: the network or the peer is gone.
    #[serde(default)]
    pub unanswered: u32,
    /// The longest time, in seconds, that a connection has been full without a byte being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stalled_seconds: Option<f64>,
    /// Bytes per second that were read over the last seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// The part of `rate` on the connections that are held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back_rate: Option<f64>,
}

/// How full the queues of one connection are in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Nothing is queued.
    #[default]
    Empty,
    /// Something is queued, and the writer can write more.
    Partial,
    /// The writer cannot write: its send queue is full, or its reader's window is closed.
    Full,
}

/// One direction of an edge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Direction<'a> {
    /// The edge.
    pub edge: &'a ProcessEdge,
    /// The node that writes.
    pub writer: usize,
    /// The node that reads.
    pub reader: usize,
    /// What flows.
    pub flow: &'a EdgeFlow,
}

impl ProcessEdge {
    /// Both directions: to the server, and to the client.
    pub fn directions(&self) -> [Direction<'_>; 2] {
        let (edge, from, to) = (self, self.from, self.to);
        [
            Direction { edge, writer: from, reader: to, flow: &self.to_server },
            Direction { edge, writer: to, reader: from, flow: &self.to_client },
        ]
    }

    /// Whether it buffers bytes, or a writer of it is held back.
    pub fn is_busy(&self) -> bool {
        [&self.to_server, &self.to_client].into_iter().any(|flow| flow.fill != Fill::Empty)
    }
}

impl EdgeFlow {
    /// Bytes in the queues that are visible; `None` if neither is.
    pub fn queued(&self) -> Option<u64> {
        match (self.send_queue, self.receive_queue) {
            (None, None) => None,
            (send, receive) => Some(send.unwrap_or(0).saturating_add(receive.unwrap_or(0))),
        }
    }
}
