//! A client that floods a server: its producer sends numbered frames at any rate, and its consumer reads the replies
//! slowly, for a limited time, or never, and checks every byte.
//!
//! The two halves of a connection are independent tasks, so **a throttled reader never slows the writer**. Only the
//! server can slow the writer, through the receive window. That is the experiment.
//!
//! ```text
//!                 Flood ── connects, runs, stops, adds up the totals
//!                   │
//!    ┌──────────────┴─ one Connection each: the socket and its live counters ───┐
//!    │ producer:  FrameStream ─ Pacer ─> write                                  │
//!    │ consumer:  Reading ─ Pacer ─> read ─> Checker                            │
//!    └──────────────────────────────────────────────────────────────────────────┘
//!             Recipe: the bytes of frame number n, used by both FrameStream and Checker
//! ```
//!
//! - [`Config`]: what to send, how fast, what to read, when to stop.
//! - [`Flood`]: connects, runs, and returns an [`Outcome`]; a [`StopHandle`] stops it early.
//! - [`Connection`]: one connection; a sampler can read its counters ([`LiveConnection`]) and its socket at any time.
//! - [`Ping`]: measures the round-trip time of frames, on connections of its own ([`PingConnection`]).
//! - [`Conversation`]: independent too, sends an input as frames and hands out the replies.
//! - [`connect()`]: a blocking connect that refuses a connection to itself.
//! - `payload/` (`Recipe`, `FrameStream`), `checker/`, and `pacer` and `schedule` in `flood/` are the parts without a socket or a clock.
//!
//! No sent data is stored: to check a frame, the client generates it again from its number. So the memory of a run does
//! not depend on how much it sends, how large its frames are, or how long the server buffers them.

mod checker;
mod connect;
mod conversation;
mod error;
mod flood;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod live;
mod payload;
mod ping;
mod totals;

use std::time::Duration;

pub use checker::Fault;
pub use connect::connect;
pub use conversation::{Conversation, ConversationEnd, ConversationError, Replies, Sent};
pub use error::Error;
pub use flood::{
    CloseKind, Config, Connection, Drain, Ending, Flood, Outcome, Phase, Rate, Reading, StopHandle,
};
pub use live::LiveConnection;
pub use ping::{Latencies, Ping, PingConfig, PingConnection, PingFault, PingOutcome, PingStopHandle};
pub use totals::Totals;

/// Stands for "no deadline" where a call needs one.
const FAR_FUTURE: Duration = Duration::from_secs(365 * 24 * 3600);
