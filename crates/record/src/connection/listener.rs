//! What waits at a listening socket before the server accepts it.

use serde::{Deserialize, Serialize};

/// A listening socket of a watched server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListenerFigures {
    /// Its address.
    pub listen: String,
    /// The process that listens, for example "nginx (pid 812)".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// Open connections to it, with those in its accept queue.
    pub connections: u32,
    /// Connections that the server has not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_queue: Option<u32>,
    /// The limit of its accept queue, of which Linux admits one more: further ones wait in the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_queue_limit: Option<u32>,
    /// Connections whose handshake is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syns_waiting: Option<u32>,
    /// Sockets of this host whose connection requests to it are not answered (SYN-SENT).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connecting: Option<u32>,
}

impl ListenerFigures {
    /// Whether the accept queue has no room: the kernel then ignores the end of further handshakes.
    pub fn is_full(&self) -> bool {
        // The kernel admits one more than the limit.
        self.accept_queue.zip(self.accept_queue_limit).is_some_and(|(queue, limit)| queue > limit)
    }
}
