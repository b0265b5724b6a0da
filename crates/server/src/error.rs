//! What can keep a server from starting. A peer's fault is none of these: see [`CloseReason`](crate::CloseReason).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

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
        "--resume-at ({}) is above --queue-limit ({}): reading would resume before it stops",
        Limit(*.resume_at),
        Limit(*.limit)
    )]
    ResumeOverLimit {
        /// Where reading stops.
        limit: usize,
        /// Where it would resume.
        resume_at: usize,
    },
    /// A number or size beyond what can be served, or 0.
    #[error("--{setting} must be at least 1 and at most {most}, not {value}")]
    OutOfRange {
        /// The option's name.
        setting: &'static str,
        /// What was asked for.
        value: u64,
        /// The largest allowed.
        most: u64,
    },
    /// A time longer than the clocks that measure it.
    #[error("--{setting} must be at most {} days, not {value:?}", .most.as_secs() / 86_400)]
    TooLong {
        /// The option's name.
        setting: &'static str,
        /// What was asked for.
        value: Duration,
        /// The longest allowed.
        most: Duration,
    },
    /// A limit or time of zero.
    #[error("--{setting} must be more than 0")]
    Zero {
        /// The option's name.
        setting: &'static str,
    },
}

/// A limit that somebody has set, in bytes: printed in the largest unit that divides it (`4 MiB`), so never rounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit(pub(crate) usize);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        match units.into_iter().find(|(bits, _)| self.0 > 0 && self.0.is_multiple_of(1 << bits)) {
            Some((bits, unit)) => write!(f, "{} {unit}", self.0 >> bits),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_print_in_the_unit_that_divides_them() {
        let printed = [0, 1000, 4096, 3 << 19, 4 << 20, 1 << 30].map(|limit| Limit(limit).to_string());

        assert_eq!(printed, ["0 bytes", "1000 bytes", "4 KiB", "1536 KiB", "4 MiB", "1 GiB"]);
    }
}
