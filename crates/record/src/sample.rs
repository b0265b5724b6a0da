//! The sample: where all bytes of a run were at one instant.
//!
//! ```text
//! produced ─ client send queue ─ server_received ─ server receive queue ─ server_read ─ INSIDE THE SERVER ─ server_written
//!                                             ─ server send queue ─ client_received ─ client receive queue ─ consumed
//! ```
//!
//! All six are cumulative bytes, so each queue is the difference of two neighbours ([`Queues`](crate::Queues)) and their
//! sum is `produced - consumed` by construction. A counter that this system does not show is `None`, never a guess.

use serde::{Deserialize, Serialize};

use crate::Queues;

/// Cumulative byte counters of all connections of a run, and the memory beside them. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the run began.
    pub t: f64,
    /// Connections that are open.
    pub connections: u32,
    /// Written by the client: what the kernel took from it.
    pub produced: u64,
    /// Arrived at the server's kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(alias = "s_received")]
    pub server_received: Option<u64>,
    /// Read by the server from its kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(alias = "s_read")]
    pub server_read: Option<u64>,
    /// Written by the server to its kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(alias = "s_written")]
    pub server_written: Option<u64>,
    /// Arrived at the client's kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(alias = "c_received")]
    pub client_received: Option<u64>,
    /// Read by the client.
    pub consumed: u64,
    /// Memory of the server's process tree that is its own: anonymous, shared and swapped. Its queues are part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_memory: Option<u64>,
    /// Kernel memory of both ends' sockets, which no process's memory shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<u64>,
    /// The receive window that the server's end last advertised to the client; the smallest, with many connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// How far the counters moved while this sample was taken: the most by which a boundary between queues may be off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skew: Option<u64>,
    /// Connections of whose clients nothing is visible, as they are elsewhere: `produced` is what arrived of them and
    /// `consumed` what their kernels have acknowledged. Their queues are not known. Absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "far_clients")]
    pub remote_clients: Option<u32>,
    /// Whether the server is known to write what it reads; if not, the difference says nothing of what is inside it.
    /// Absent: it is an echo, as with every run of our own client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_echo: Option<bool>,
}

impl Sample {
    /// Bytes on their way at this instant: produced and not consumed or, where the server need not be an echo, in all
    /// queues that are visible.
    pub fn in_flight(&self) -> u64 {
        match self.is_echo {
            Some(false) => Queues::of(self).total(),
            _ => self.produced.saturating_sub(self.consumed),
        }
    }
}
