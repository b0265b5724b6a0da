//! Judges a measured run: every rule that turns samples into a verdict, as pure functions.
//!
//! Reads no clock, no socket and no file, so that each rule is tested on recorded numbers. A rule computes signals from the
//! samples; a decision table turns them into a cause, which is a value; verdict, advice and reason follow from the cause.
//!
//! - [`audit`]: judges what an attack on a server recorded, and decides when it has recorded enough.
//! - [`flood`]: judges what our own client observed, where it did not read or read slowly.
//! - [`diagnose`], [`diagnose_reader`]: find what one connection of a watched server waits for.
//! - [`demo`]: judges one side of the demo, whose client stops at a known time.
//! - [`pressure`]: follows backpressure through the processes of a host to the one that absorbs it.
//! - [`trend`]: finds the direction of a series of measurements in spite of outliers.
//! - [`unwritten`]: decides whether the server's memory can hold what it has not written back.

#![forbid(unsafe_code)]

mod advice;
pub mod audit;
mod connection;
pub mod demo;
pub mod flood;
mod judgement;
mod pauses;
pub mod pressure;
pub mod trend;
pub mod unwritten;

pub use advice::Advice;
pub use connection::{diagnose, diagnose_reader};
pub use judgement::Judgement;

/// Seconds without progress from which on a producer counts as held back. Shorter waits are normal: the kernel wakes a writer only
/// when a third of its send buffer is free, and progress on loopback has gaps of up to 0.2 s.
pub const HELD_BACK_SECONDS: f64 = 0.5;
