//! The byte counters of a run at one instant, from which follows where every byte is.
//!
//! ```text
//! produced ─ client send queue ─ server_received ─ server receive queue ─ server_read ─ INSIDE THE SERVER ─ server_written
//!                                             ─ server send queue ─ client_received ─ client receive queue ─ consumed
//! ```
//!
//! All six are cumulative bytes, so each queue is the difference of two neighbours ([`Queues`](crate::Queues)) and their
//! sum is `produced - consumed` by construction. A counter that is not visible on this system is `None`, never a guess.

use serde::{Deserialize, Serialize};

use crate::Queues;

/// Cumulative byte counters of all connections of a run, and the memory in use. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the run started.
    pub t: f64,
    /// Connections that are open.
    pub connections: u32,
    /// Written by the client: accepted by its kernel.
    pub produced: u64,
    /// Arrived at the server's kernel.
    #[serde(default, alias = "s_received", skip_serializing_if = "Option::is_none")]
    pub server_received: Option<u64>,
    /// Read by the server from its kernel.
    #[serde(default, alias = "s_read", skip_serializing_if = "Option::is_none")]
    pub server_read: Option<u64>,
    /// Written by the server to its kernel.
    #[serde(default, alias = "s_written", skip_serializing_if = "Option::is_none")]
    pub server_written: Option<u64>,
    /// Arrived at the client's kernel.
    #[serde(default, alias = "c_received", skip_serializing_if = "Option::is_none")]
    pub client_received: Option<u64>,
    /// Read by the client.
    pub consumed: u64,
    /// Private memory of the server's process tree: anonymous, shared and swapped. Includes its own queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_memory: Option<u64>,
    /// Kernel memory of the sockets at both ends, which the memory of no process includes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<u64>,
    /// Receive window that the server's end last advertised to the client; the smallest one of several connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// Bytes that the server may still send to a client that need not read: the receive window that the client's end last advertised
    /// or, where the protocol has windows of its own, what they allow; the smallest one of several connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_window: Option<u64>,
    /// How far the counters moved while this sample was taken: the largest error of a boundary between two queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew: Option<u64>,
    /// Connections of clients on other hosts, of which nothing is visible: `produced` is what arrived from them, and `consumed` is
    /// what their kernels have acknowledged. Their queues are not known. Absent: none.
    #[serde(default, alias = "far_clients", skip_serializing_if = "Option::is_none")]
    pub remote_clients: Option<u32>,
    /// Whether the server is known to write what it reads. If not, the difference is not what is inside it. Absent: it echoes, as in
    /// every run of our own client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_echo: Option<bool>,
}

impl Sample {
    /// Bytes in flight at this instant: produced and not consumed or, where the server need not echo, in all visible queues.
    pub fn in_flight(&self) -> u64 {
        match self.is_echo {
            Some(false) => Queues::of(self).total(),
            _ => self.produced.saturating_sub(self.consumed),
        }
    }
}
