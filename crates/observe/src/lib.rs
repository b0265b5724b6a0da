//! Measurements from the kernel: the queues of both endpoints of a connection, the memory of a process tree, and the
//! processes that own a listening socket.
//!
//! This crate changes nothing of what it measures, and judges nothing. It needs no cooperation from the measured server, whatever its
//! owner and language.
//!
//! | room | asks the kernel for |
//! |---|---|
//! | `endpoint/` | [`TcpInfo`], [`SocketMemory`], the queues of a socket, and [`SocketDiag`]: any TCP socket of this host by its two addresses, any Unix-domain socket by its inode |
//! | `process/` | [`Process`], [`ProcessTree`]: memory, processor time and disk writes of a server and its descendants; [`census`]: the payload in it; [`holders`], [`SocketOwners`]: the processes that have a socket open |
//! | `machine/` | [`machine()`], [`KernelBuffering`], [`TcpMemory`]: the limits of queues; [`available_memory`], [`Cgroup`]; [`loopback()`] |
//! | `listener/` | [`ServerAddr`]; [`listener_at`]: the socket that accepts connections to an address, and its processes; [`listeners`]: all; [`Target`]: a server to watch |
//! | `namespace/` | [`SocketTables`]: where the endpoints of a server's connections are looked up, also in a container; [`Door`]: how they are visible |
//! | `map/` | [`ProcessMapper`]: the processes of this host and the connections between them |
//! | `sampler/` | [`Connection`], [`UnixConnection`]: where every byte of a connection is; [`Sampler`], [`ConnectionTracker`]: repeated samples of many; [`SelfTest`]: their cost and accuracy |
//! | `sys/` | system calls that neither the standard library nor socket2 makes |
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
mod map;
mod namespace;
mod process;
mod sampler;

pub use endpoint::{
    AsHandle, Endpoint, Side, SocketDiag, SocketEntry, SocketFile, SocketMemory, TcpInfo, TcpState, Timer,
    UnixKind, UnixSocket, receive_queue, send_queue,
};
pub use error::Error;
pub use listener::{
    Listener, ListeningSocket, ServerAddr, Target, UnixQueues, accepting, listener_at, listeners,
    sees_other_users, user_name,
};
pub use machine::{
    Cgroup, KernelBuffering, MemoryShare, QueueLimits, SysctlRange, TcpMemory, available_memory, host_name,
    loopback, machine, processor_model, shared_memory,
};
pub use map::ProcessMapper;
pub use namespace::{Door, SocketTables, is_in_other_namespace};
pub use process::{
    CensusCount, CensusScope, FileGrowth, Memory, Owner, Process, ProcessTree, ProcessorTime, RootExit,
    SocketOwners, TreeReading, census, holders, own_anonymous_memory, own_uid, owners_text, pids,
    raise_descriptor_limit, sees_files, socket_inodes, standard_socket_inodes, start_thread,
    thread_processor_time,
};
pub use sampler::{
    Connection, ConnectionTracker, Counters, Due, ListenerReading, LocalEndpoint, MAX_PER_SAMPLE, Moved,
    Observation, Occupancy, OwnSocket, PathState, SampleSource, Sampler, SamplingInterval, SamplingSchedule,
    Seen, Selection, SelfTest, ServerClose, ServerSeen, UnixConnection, WatchedConnection, combine,
};
