//! The echo server: listener, connections, backpressure, reply queues, limits.
//!
//! Each connection reads, finds frames, and writes the same frames back. The question that this crate exists for is what happens
//! when replies are produced faster than the peer reads them; [`Policy`] lists the seven answers.
//!
//! # Layout
//! - [`Server`] binds, accepts and shuts down. [`Config`] has its settings, and [`Event`] is what it reports. It never prints.
//! - `connection/`: one connection. `direct` is the page to read first: backpressure, and nothing else. `queued` goes on with a
//!   reply queue where the policy has one and the peer is behind. [`Backpressure`], a plain value without a socket, decides what it does when the queue is full, and [`ReplyQueue`]
//!   stores the bytes. `frames` and `thread_buffer` lend a reading connection its buffer, so that a waiting one has none;
//!   `read_size` chooses how large it is.
//! - `table/`: every open connection, for the totals, the memory limit, the timeouts and the shutdown. `shared` chooses which one to
//!   close when there is no room, `maintenance` runs at intervals, and its `reaper` enforces the timeouts and the minimum rate, by
//!   what `peer_progress` concludes from acknowledgements.
//! - `io/`: listening, accepting, and the I/O models: a task per connection, and for comparison `threads`, `one_thread` and `uring`.
//! - `settings` has what changes while the server runs, and [`Control`] changes it.
//! - `account` counts what connections buffer before they do.
//! - `sys` has the system calls that the standard library does not offer, and the only `unsafe` code.

mod account;
mod backpressure;
mod close_reason;
mod config;
mod connection;
mod control;
mod error;
mod event;
mod io;
mod policy;
mod process;
mod runtime;
mod server;
mod settings;
mod sync;
mod sys;
mod table;

pub use backpressure::{Action, Backpressure, Queued};
pub use close_reason::CloseReason;
pub use config::{Config, ConfigError, Io, MinRate, Setting};
pub use connection::ReplyQueue;
pub use control::{ConnectionState, Control};
pub use error::Error;
pub use event::{Event, Listening, Stats, Totals};
pub use policy::Policy;
pub use runtime::runtime;
pub use server::Server;
pub use sys::share_one_heap;
pub use table::CloseCause;

/// The io_uring of [`Io::Uring`], for experiments that use it in another way.
#[cfg(target_os = "linux")]
pub mod uring {
    pub use crate::sys::uring::{
        Completion, Done, Lease, PoolSize, Ring, Size, has_found_no_buffer, is_temporary,
    };
}
