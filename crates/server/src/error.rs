//! What can keep a server from starting. A peer's fault is none of these: see [`Reason`](crate::Reason).

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::config::Io;
use crate::policy::Policy;

/// Why a server could not start.
#[derive(Debug, Error)]
pub enum Error {
    /// The settings do not go together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another socket listens at the address.
    #[error(
        "could not listen on {addr}: something else listens there already (choose another port with --addr)"
    )]
    AddressInUse {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// The kernel refused the listening socket.
    #[error("could not listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The runtime or a thread of the server's own could not be started.
    #[error("could not start the {what}")]
    Start {
        /// What was to be started.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Settings that cannot be meant so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// Blocking I/O has no queue that a policy could rule.
    #[error(
        "--io {io} means --backpressure await: a blocked write cannot read, so {policy} has nothing to rule"
    )]
    BlockingWithQueue {
        /// The blocking mode.
        io: Io,
        /// The policy asked for beside it.
        policy: Policy,
    },
    /// One thread for all needs `poll(2)`.
    #[error("--io one-thread needs poll(2), which this system does not have")]
    NoPoll,
    /// Dropping needs frames.
    #[error("--backpressure drop drops whole frames, and --framing raw has none: choose lines, u16 or u32")]
    RawWithDrop,
    /// A queue that resumes above the level it stops at.
    #[error(
        "--resume-at ({resume_at} bytes) is above --queue-limit ({limit} bytes): reading would resume before it stops"
    )]
    ResumeOverLimit {
        /// Where reading stops.
        limit: usize,
        /// Where it would resume.
        resume_at: usize,
    },
    /// A limit or time of zero.
    #[error("--{setting} must be more than 0")]
    Zero {
        /// The option's name.
        setting: &'static str,
    },
}
