//! What the peers of a soak share.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;

use super::block::Block;

/// What the peers of a soak share. They all run on one thread.
pub(super) struct World {
    /// The server.
    pub(super) addr: SocketAddr,
    /// What is sent.
    pub(super) block: Block,
    /// See [`Plan`](super::plan::Plan::longest_pause).
    pub(super) longest_pause: Duration,
    /// Whether a peer that does not read may be disconnected, as under the policy `disconnect`.
    pub(super) may_be_disconnected: bool,
    /// Whether the kernel's queues are so full that no peer should flood.
    pub(super) is_kernel_full: Cell<bool>,
    /// What has been done.
    pub(super) tally: Tally,
    leaving: watch::Sender<bool>,
}

/// What all peers have done so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Connections opened.
    pub(super) opened: Cell<u64>,
    /// Connections that the server closed, where it may.
    pub(super) disconnected: Cell<u64>,
    /// Bytes that came back correct.
    pub(super) checked: Cell<u64>,
    /// Failed lives: their number, and the first few causes.
    pub(super) wrong: Cell<u64>,
    pub(super) first_wrongs: RefCell<Vec<String>>,
}

impl World {
    pub(super) fn new(addr: SocketAddr, block: Block, longest_pause: Duration, policy: &str) -> World {
        World {
            addr,
            block,
            longest_pause,
            may_be_disconnected: policy == "disconnect",
            is_kernel_full: Cell::new(false),
            tally: Tally::default(),
            leaving: watch::Sender::new(false),
        }
    }

    /// Asks all peers to finish their lives without a pause, or revokes that.
    pub(super) fn set_leaving(&self, is_leaving: bool) {
        self.leaving.send_replace(is_leaving);
    }

    /// Whether peers are asked to leave.
    pub(super) fn is_leaving(&self) -> bool {
        *self.leaving.borrow()
    }

    /// Waits for `time`, or until all are to leave.
    pub(super) async fn pause(&self, time: Duration) {
        let mut leaving = self.leaving.subscribe();
        // Either way the pause is over; the sender lives as long as `self`.
        let _ = tokio::time::timeout(time, leaving.wait_for(|is_leaving| *is_leaving)).await;
    }
}

impl Tally {
    /// Records a failed life.
    pub(super) fn record_failure(&self, what: String) {
        add(&self.wrong, 1);
        let mut first = self.first_wrongs.borrow_mut();
        if first.len() < MAX_CAUSES {
            first.push(what);
        }
    }
}

/// Adds to a counter.
pub(super) fn add(counter: &Cell<u64>, more: u64) {
    counter.set(counter.get() + more);
}

/// Number of stored causes: the first shows the failure, the others whether it was always the same.
const MAX_CAUSES: usize = 3;
