//! The echo server: listener, connections, backpressure, reply queues, limits.
//!
//! Each connection reads, finds frames, and writes the same frames back. The question that this crate exists for is what happens
//! when replies are produced faster than the peer reads them; [`Policy`] lists the seven answers.
//!
//! # Layout
//! - [`Server`] binds, accepts and shuts down. [`Config`] has its settings, and [`Event`] is what it reports. It never prints.
//! - `direct` is the page to read first: one connection with backpressure, and nothing else.
//! - `queued` is the same with a reply queue. [`Backpressure`], a plain value without a socket, decides what it does when the
//!   queue is full, and [`ReplyQueue`] stores the bytes.
//! - `connection`, `frames` and `thread_buffer` lend a reading connection its buffer, so that a waiting one has none; `read_size`
//!   chooses how large it is.
//! - `connection_table` and `connection_handle` know every open connection, for the totals, the memory limit, the timeouts and
//!   the shutdown. `account` counts what connections buffer before they do, and `shared` chooses which one to close when there
//!   is no room.
//! - `maintenance` is what runs at intervals. Its `reaper` enforces the timeouts and the minimum rate, by what `peer_progress`
//!   concludes from acknowledgements.
//! - `threads` and `one_thread` are the two other I/O models, for comparison.
//! - `sys` has the system calls that the standard library does not offer, and the only `unsafe` code.

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
pub use policy::Policy;
pub use reply_queue::ReplyQueue;
pub use server::{Server, runtime};
pub use sys::{raise_descriptor_limit, share_one_heap};
