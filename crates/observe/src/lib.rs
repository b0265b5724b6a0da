//! What the kernel tells: the queues of both ends of a connection, the memory of a process tree, who listens.
//!
//! Everything here only reads, and needs no help from the server that is looked at: any owner, any language.
//!
//! - [`ProcessTree`], [`Process`]: memory, processor time and disk writes of a server and all that it started.
//! - [`listener_at`]: which processes own a listening port.
//! - [`Sampler`], [`SamplerThread`]: where every byte of a set of connections is, again and again.
//! - [`ConnectionTracker`]: the connections of a live server, as they come and go.
//! - [`SocketDiag`]: the state and queues of any TCP socket of this host, looked up by its two addresses.
//! - [`machine()`], [`QueueLimits`], [`TcpMemory`]: what bounds the queues on this machine.
//! - [`available_memory`], [`MemoryShare`], [`Cgroup`]: the memory that is left to a process, and a limit that fits into it.
//! - [`loopback()`]: this host's loopback address, also where it is IPv6 alone.
//! - [`start_thread`]: a thread, or why there is none.
//! - [`SelfTest`]: what a sample costs here, and how true it is.
//!
//! What a system cannot show is `None` or [`Error::NotVisible`], never a guess. Linux shows everything; what macOS and
//! Windows show is said at each item.

mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzed;
mod proc_file;
mod sys;

mod process;
pub use error::Error;
pub use process::{Memory, Process, ProcessTree, TreeReading, pids, socket_inodes};

mod diag;
pub use diag::{SocketDiag, SocketEntry, Timer};

mod listener;
mod users;
pub use listener::{Listener, Owner, listener_at, listening_addresses, sees_other_users};
pub use users::user_name;

mod socket_memory;
mod tcp_info;
mod tcp_state;
pub use socket_memory::SocketMemory;
pub use tcp_info::{Side, TcpInfo};
pub use tcp_state::TcpState;

mod socket;
pub use socket::{AsHandle, SocketBuffers, receive_queue, send_queue};

mod sampler;
pub use sampler::{
    Connection, Counters, Endpoint, LocalEndpoint, MAX_PER_SAMPLE, Observation, Occupancy, PathState,
    Sampler, SamplerThread, SamplingInterval, WatchedConnection,
};

mod available;
mod cgroup;
mod machine;
mod queue_limits;
pub use available::{MemoryShare, available_memory, available_memory_of};
pub use cgroup::Cgroup;
pub use machine::{TcpMemory, machine};
pub use queue_limits::{KernelBuffering, QueueLimits, SysctlRange};

mod loopback;
pub use loopback::loopback;

mod connection_tracker;
pub use connection_tracker::ConnectionTracker;

mod self_test;
pub use self_test::SelfTest;

mod thread;
pub use thread::start_thread;
