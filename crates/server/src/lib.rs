//! The echo server: listener, connection, backpressure, reply queue, limits.
//!
//! Each connection reads, cuts frames, and writes the same frames back. The question this crate exists for is what
//! happens when replies are made faster than the peer reads them; [`Policy`] lists the seven answers.
//!
//! # Layout
//! - [`Server`] binds, accepts, and ends what it began; [`Config`] is all that it can be told, and [`Event`] all that it
//!   says. It never prints.
//! - `awaiting` is the page to read first: one connection with backpressure, and nothing else.
//! - `queued` is the same with a reply queue; what it does when the queue is full is decided by [`Backpressure`], a plain
//!   value without a socket, and the bytes are held by [`ReplyQueue`].
//! - `connection`, `frames` and `spare` lend a reading connection its buffer, so that a waiting one holds none; `read_size`
//!   says how large it is.
//! - `table` and `handle` know every open connection: for the totals, the memory limit, the timeouts, and the end; `account`
//!   counts what they hold before they do, and `shared` chooses whom to end when there is no room.
//! - `threads` and `one_thread` are the two other ways to do I/O, for comparison.
//! - `sys` is where the kernel is asked what the standard library does not ask; the only `unsafe` code.

mod accept;
mod account;
mod backpressure;
mod close_cause;
mod config;
mod connection;
mod connection_handle;
mod connection_table;
mod direct;
mod error;
mod event;
mod frames;
mod listener;
mod maintenance;
mod memory;
mod one_thread;
mod peer_progress;
mod policy;
mod queued;
mod read_size;
mod reaper;
mod reply_queue;
mod server;
mod shared;
mod sys;
mod thread_buffer;
mod threads;

pub use backpressure::{Action, Admission, Backpressure, Queued};
pub use config::{Config, Io, MinRate};
pub use error::{ConfigError, Error, Setting};
pub use event::{CloseReason, Event, Listening, Stats, Totals};
pub use memory::anonymous_memory;
pub use policy::{Policy, UnknownPolicy};
pub use reply_queue::ReplyQueue;
pub use server::{Server, runtime};
pub use sys::{raise_descriptor_limit, share_one_heap};
