//! What a run is: its samples, the arithmetic of its queues, the verdict on it, and the file that keeps it.
//!
//! Pure data and pure functions over it, so that every rule here is tested on recorded numbers, without a socket.
//!
//! - [`Sample`]: six cumulative byte counters on the path from producer to consumer, and the memory beside them.
//! - [`Queues`]: the bytes between neighbouring counters: where every byte is.
//! - [`Verdict`]: what a run says of the server; [`Evidence`] is what an audit judges by.
//! - [`Summary`]: how a run ended; [`WatchSummary`]: what a watch saw of a server that others use.
//! - [`Run`]: the file that keeps a run, with the [`Machine`] that it was made on; [`Limit`] is the most that it may be.
//! - [`printable`]: other people's text as one that a terminal only shows.
//! - [`Bytes`], [`Rate`], [`Seconds`]: the one way in which sizes, rates and times are printed.

#![forbid(unsafe_code)]

mod decimate;
mod intake;
mod lines;
mod machine;
mod printable;
mod queues;
mod reading;
mod run;
mod sample;
mod summary;
mod units;
mod verdict;
mod watch_summary;

pub use decimate::decimate;
pub use intake::Limit;
pub use machine::{Machine, SocketLimits};
pub use printable::{printable, printable_lines};
pub use queues::{Queues, peak_during};
pub use run::{Run, RunError};
pub use sample::Sample;
pub use summary::{Integrity, Summary};
pub use units::{Bytes, Rate, Seconds};
pub use verdict::{
    Disconnect, DisconnectKind, Drain, Evidence, Figures, Judgement, Point, StopReason, Verdict,
};
pub use watch_summary::WatchSummary;

/// The version of every JSON object and file that this program writes. It rises when a field changes its meaning or
/// goes away; fields may be added without it.
pub const SCHEMA_VERSION: u32 = 2;
