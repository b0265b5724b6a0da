//! Measurements from the kernel: the queues of both endpoints of a connection, the memory of a process tree, and the
//! processes that own a listening socket.
//!
//! This crate only reads. It needs no cooperation from the measured server, whatever its owner and language.
//!
//! - [`ProcessTree`], [`Process`]: memory, processor time and disk writes of a server and its descendants.
//! - [`listener_at`], [`pids`], [`socket_inodes`]: the processes that own a listening socket.
//! - [`Sampler`], [`SamplerThread`]: repeated samples of where every byte of a set of connections is.
//! - [`ConnectionTracker`]: all connections of a live server, as they open and close.
//! - [`SocketDiag`]: the state and queues of any TCP socket of this host, looked up by its two addresses.
//! - [`machine()`], [`KernelBuffering`], [`QueueLimits`], [`TcpMemory`]: the limits of the queues on this machine.
//! - [`available_memory`], [`MemoryShare`], [`Cgroup`]: the memory available to a process, and a limit that fits into
//!   it.
//! - [`loopback()`]: this host's loopback address, also if it has only IPv6.
//! - [`start_thread`]: starts a thread, or returns an error if the system refuses it.
//! - [`SelfTest`]: the cost and the accuracy of a sample on this machine.
//!
//! What a system does not show is `None` or [`Error::NotVisible`], never a guess. Linux shows everything; for macOS
//! and Windows, each item documents what they show.

mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod proc_file;
mod sys;

mod endpoint;
mod listener;
mod machine;
mod process;
mod sampler;

pub use endpoint::{
    AsHandle, Side, SocketDiag, SocketEntry, SocketMemory, TcpInfo, TcpState, Timer, receive_queue,
    send_queue,
};
pub use error::Error;
pub use listener::{Listener, Owner, listener_at, listening_addresses, sees_other_users, user_name};
pub use machine::{
    Cgroup, KernelBuffering, MemoryShare, QueueLimits, SysctlRange, TcpMemory, available_memory, loopback,
    machine,
};
pub use process::{Memory, Process, ProcessTree, TreeReading, pids, socket_inodes, start_thread};
pub use sampler::{
    Connection, ConnectionTracker, Counters, Endpoint, LocalEndpoint, MAX_PER_SAMPLE, Observation, Occupancy,
    PathState, Sampler, SamplerThread, SamplingInterval, SelfTest, WatchedConnection,
};
