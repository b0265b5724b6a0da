//! Shared by all kinds of faults: starting, stopping and measuring processes, and hostile environments for them.

mod cgroup;
mod launch;
mod namespace;
mod running;
pub(crate) mod sys;
pub(crate) mod text;
pub(crate) mod tree;
mod world;

pub(crate) use cgroup::MemoryGroup;
pub(crate) use launch::Launch;
pub(crate) use namespace::{Host, Tunnel, within};
pub(crate) use running::{Ended, Running};
pub(crate) use world::{Findings, STARTING, Skip, World, need_root, own_program, skip};

use std::thread;
use std::time::{Duration, Instant};

/// Polls `condition` until it holds, or until `within` has passed. Returns whether it holds.
pub(crate) fn wait_until(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Polling interval: short enough to lose no time, long enough to leave the processor to others.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
