//! Judges a measured run: every rule that turns samples into a verdict, as pure functions.
//!
//! Reads no clock, no socket and no file, so that each rule is tested on recorded numbers.
//!
//! - [`audit`]: judges what an attack on a server recorded, and decides when it has recorded enough.

#![forbid(unsafe_code)]

pub mod audit;
mod judgement;
mod trend;

pub use judgement::Judgement;
