//! What holds in every order in which threads can run: connections that come and go, and the shutdown, the reaper, the memory limit
//! and the statistics, which look at them and close them in the meantime.
//!
//! Run with `RUSTFLAGS="--cfg echoctl_loom" cargo test --package echoctl-server --lib model`.

mod tests;

use std::net::Shutdown;

use loom::sync::Arc;
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::Relaxed;

use crate::sys::AsRaw;

/// A descriptor that panics when it is used after its socket was closed.
#[derive(Debug, Clone)]
pub(crate) struct Descriptor {
    is_open: Arc<AtomicBool>,
}

impl Descriptor {
    fn open() -> Descriptor {
        Descriptor { is_open: Arc::new(AtomicBool::new(true)) }
    }

    /// What the owner of the socket does after its entry was removed. Relaxed, so that only the table orders it after any use.
    fn close(&self) {
        self.is_open.store(false, Relaxed);
    }

    pub(crate) fn of(_: &impl AsRaw) -> Descriptor {
        Descriptor::open()
    }

    pub(crate) fn shutdown(&self, _: Shutdown) {
        assert!(self.is_open.load(Relaxed), "the descriptor of a closed socket was used");
    }

    pub(crate) fn send_queue(&self) -> Option<u32> {
        None
    }

    pub(crate) fn acknowledged(&self) -> Option<u64> {
        None
    }

    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        None
    }
}
