//! Starts a server of any command, waits until it listens, and stops it with all its processes.
//!
//! ```text
//! echoctl ── supervisor ─┬─ the command ── workers, a process per connection …
//!   Target    supervise  └─ orphans: daemons, double forks
//! ```
//!
//! - [`Target`]: the running server; dropping it stops all its processes.
//! - [`ClientCommand`]: a running client of any [`CommandLine`], which can be frozen.
//! - [`supervise()`]: the main function of the helper process, which [`Launch::supervisor`] names.
//! - [`ChildServer`](crate::ChildServer): one of our own servers, which needs no supervisor.
//! - [`Descendants`]: the processes of a target, looked up when they are needed.
//! - [`OutputWatch`]: whether a target has printed that it ran out of memory.
//! - [`Listeners`]: whether an address belongs to a target and to no other process.

mod assigned;
pub(crate) mod child_server;
mod client_command;
mod command_line;
mod descendants;
mod error;
mod listeners;
mod other_namespaces;
mod out_of_memory;
mod output;
mod output_watch;
mod port;
mod socket_path;
mod supervise;
mod supervisor;
mod sys;
mod target;

pub use client_command::{ClientCommand, ClientLaunch};
pub use command_line::{CommandLine, CommandLineError};
pub use descendants::Descendants;
pub use error::SpawnError;
pub use listeners::{ForeignListener, Listeners, Owner};
pub use output_watch::OutputWatch;
pub use socket_path::SocketPathError;
pub use supervise::supervise;
pub use target::{Launch, ListenAt, Target};
