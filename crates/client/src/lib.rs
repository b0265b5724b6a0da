//! The client: a producer that sends numbered frames as fast as asked, and a consumer that reads them back, slowly,
//! for a while, or never, and checks every byte.
//!
//! The two halves of a connection are independent tasks, so that **the reader's throttle never slows the writer**: what
//! slows the writer is the server alone, through the kernel's window. That is the experiment.
//!
//! ```text
//!                 Flood ── connects, runs, stops, sums up
//!                   │
//!    ┌──────────────┴─ one Connection each: the socket and its live counters ──┐
//!    │ producer:  FrameStream ─ Pacer ─> write                                  │
//!    │ consumer:  Schedule ─ Pacer ─> read ─> Checker                           │
//!    └──────────────────────────────────────────────────────────────────────────┘
//!             Recipe: which bytes frame number n has, known to FrameStream and Checker alike
//! ```
//!
//! - [`Config`]: what to send, how fast, what to read, when to stop.
//! - [`Flood`]: connects, runs, and says how it ended ([`Outcome`]); a [`StopHandle`] ends it early.
//! - [`Connection`]: one connection; whoever samples a run reads its counters and its socket at any time.
//! - [`Ping`]: apart from all that, the time that a frame takes to the server and back.
//! - [`connect()`]: a blocking connection that is none with itself.
//! - [`Recipe`], [`FrameStream`], [`Checker`], [`Pacer`], [`Schedule`]: the parts without a socket or a clock.
//!
//! Nothing is stored of what was sent: a frame is made again from its number to check it. So the memory of a run does
//! not depend on how much it sends, how large its frames are, or how long the server keeps them.

mod checker;
mod config;
mod connect;
mod connection;
mod consumer;
mod error;
mod flood;
mod frame_stream;
mod gaps;
mod number;
mod outcome;
mod pacer;
mod ping;
mod producer;
mod progress;
mod recipe;
mod schedule;
mod thread_buffer;

pub use checker::{Checker, Fault, Tally};
pub use config::{Config, Rate, Reading};
pub use connect::connect;
pub use connection::{Connection, Phase};
pub use error::Error;
pub use flood::{Flood, StopHandle};
pub use frame_stream::FrameStream;
pub use outcome::{CloseKind, Drain, Ending, Outcome, Totals};
pub use pacer::Pacer;
pub use ping::{Latencies, Ping, PingConfig, PingFault, PingOutcome, PingStopHandle};
pub use recipe::{Frame, Pool, Recipe};
pub use schedule::{ReadMode, Schedule};
