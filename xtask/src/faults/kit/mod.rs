//! What all kinds of faults share: starting, stopping and measuring processes, and hostile surroundings for them.

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

/// Looks whether `condition` holds until it does, or until `within` has passed. Returns whether it holds.
pub(crate) fn wait_until(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// How often a condition is looked at: often enough to lose no time, seldom enough to leave the processor to others.
const LOOK_EVERY: Duration = Duration::from_millis(5);
