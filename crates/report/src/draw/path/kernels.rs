//! What the kernels show beside the counters of a sample: windows, and how full the queues are.

use std::fmt;
use std::time::Duration;

use echoctl_record::{Bytes, Queue, Seconds};

/// The state of the kernels of both ends, over all connections. Sizes in bytes; `None` where it is not visible.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Kernels {
    /// Of the clients' send queues.
    pub client_send: Fill,
    /// Of the server's receive queues.
    pub server_receive: Fill,
    /// Of the server's send queues.
    pub server_send: Fill,
    /// Of the clients' receive queues.
    pub client_receive: Fill,
    /// The smallest receive window that the server advertises.
    pub window: Option<u64>,
    /// How long it has been zero.
    pub window_zero_for: Option<Duration>,
    /// The smallest congestion window: the sender's own limit for data in the network.
    pub congestion_window: Option<u64>,
}

/// How full a queue is, in the kernel's memory.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Fill {
    /// Not visible, or of a queue that no kernel limits.
    #[default]
    Hidden,
    /// The part of its memory that is in use; it may slightly exceed 1.
    Part(f64),
    /// The kernel accepts no more.
    Full,
}

impl Kernels {
    /// How full a queue is.
    pub(super) fn fill(&self, queue: Queue) -> Fill {
        match queue {
            Queue::ClientSend => self.client_send,
            Queue::ServerReceive => self.server_receive,
            Queue::Inside => Fill::Hidden,
            Queue::ServerSend => self.server_send,
            Queue::ClientReceive => self.client_receive,
        }
    }

    /// The server's receive window. How long it has been closed is left out beside `is_held_back`: it is the same wait as the
    /// producer's, begun a moment later, and one figure for it is enough.
    pub(super) fn receive_window(&self, is_held_back: bool) -> String {
        let closed_for = self.window_zero_for.filter(|_| !is_held_back);
        let closed_for =
            closed_for.map_or(String::new(), |time| format!(" for {}", Seconds(time.as_secs_f64())));
        match self.window {
            None => "not visible here".to_owned(),
            Some(0) => format!("receive window closed{closed_for}: the server's receive queue is full"),
            Some(bytes) => format!("receive window {} (the client may send this much more)", Bytes(bytes)),
        }
    }

    /// The limit that the client's own kernel sets, for data in the network.
    pub(super) fn congestion_window(&self) -> String {
        let text = |bytes| format!("congestion window {} (the client's kernel sets it)", Bytes(bytes));
        self.congestion_window.map_or_else(String::new, text)
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fill::Full => f.write_str("full"),
            Fill::Part(part) if *part >= 0.01 => write!(f, "{} % used", (part * 100.0).min(99.0) as u64),
            Fill::Part(_) | Fill::Hidden => Ok(()),
        }
    }
}
