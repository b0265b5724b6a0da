//! The client: a producer that sends numbered frames as fast as asked, and a consumer that reads them back, slowly,
//! for a while, or never, and checks every byte.
//!
//! The two halves of a connection are independent tasks, so that **the reader's throttle never slows the writer**: what
//! slows the writer is the server alone, through the kernel's window. That is the experiment.
//!
//! ```text
//!                 Flood ── connects, runs, stops, sums up
//!                   │
//!    ┌──────────────┴─ one Link a connection: the socket and its live counters ─┐
//!    │ producer:  Source ─ Pacer ─> write                                       │
//!    │ consumer:  Schedule ─ Pacer ─> read ─> Checker                           │
//!    └──────────────────────────────────────────────────────────────────────────┘
//!             Recipe: which bytes frame number n has, known to Source and Checker alike
//! ```
//!
//! - [`Config`]: what to send, how fast, what to read, when to stop.
//! - [`Flood`]: connects, runs, and says how it ended ([`Outcome`]); a [`StopHandle`] ends it early.
//! - [`Link`]: one connection; whoever samples a run reads its counters and its socket at any time.
//! - [`Ping`]: apart from all that, the time that a frame takes to the server and back.
//! - [`connect()`]: a blocking connection that is none with itself.
//! - [`Recipe`], [`Source`], [`Checker`], [`Pacer`], [`Schedule`]: the parts without a socket or a clock.
//!
//! Nothing is stored of what was sent: a frame is made again from its number to check it. So the memory of a run does
//! not depend on how much it sends, how large its frames are, or how long the server keeps them.

mod checker;
mod config;
mod connect;
mod consumer;
mod error;
mod flood;
mod gaps;
mod link;
mod number;
mod outcome;
mod pacer;
mod ping;
mod producer;
mod progress;
mod recipe;
mod schedule;
mod scratch;
mod source;

pub use checker::{Checker, Fault, Tally};
pub use config::{Config, Rate, Reading};
pub use connect::connect;
pub use error::Error;
pub use flood::{Flood, StopHandle};
pub use link::{Link, Phase};
pub use outcome::{Ending, Hangup, Outcome, Totals};
pub use pacer::Pacer;
pub use ping::{Latencies, Ping, PingConfig, PingFault, PingOutcome, PingStop};
pub use recipe::{Frame, Pool, Recipe};
pub use schedule::{Pace, Schedule};
pub use source::Source;
