//! What the tests of several crates need: waiting for a condition, peers on loopback, and processes that end with their test.
//!
//! It is only a dev-dependency, and knows no other crate of the workspace. A test waits with [`eventually`] and never sleeps; a peer
//! whose slowness is the subject of a test is slow by itself. Everything here panics when it fails, since a test that cannot continue
//! has failed.

mod elsewhere;
mod hosts;
mod peer;
mod process;
mod wait;

pub use elsewhere::{Caller, Elsewhere};
pub use hosts::Hosts;
pub use peer::{closed_addr, echo, never_reads, pair, server};
pub use process::{Running, catches_interrupts, is_running, is_suspended, is_waiting, reads, signal, sleeps};
pub use wait::{Answer, DEADLINE, PAUSE, Wait, eventually};
