//! What can keep a server from starting, or refuse a change of its settings. A peer's fault is none of these: see [`CloseReason`](crate::CloseReason).

use std::fmt;
use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::config::ConfigError;

/// Why a server could not start, or a setting could not be changed.
#[derive(Debug, Error)]
pub enum Error {
    /// The settings are invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another socket listens at the address.
    #[error("cannot listen on {addr}: the address is already in use")]
    AddressInUse {
        /// The address to listen on.
        addr: SocketAddr,
    },
    /// The kernel refused the listening socket.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address to listen on.
        addr: SocketAddr,
        /// The kernel's error.
        source: io::Error,
    },
    /// The kernel or a sandbox refuses io_uring, which [`Io::Uring`](crate::Io::Uring) needs.
    #[error("cannot set up io_uring: the kernel or a sandbox refuses it")]
    NoUring {
        /// The kernel's error.
        source: io::Error,
    },
    /// The runtime or a thread of the server's own could not be started.
    #[error("cannot start the {what}")]
    Start {
        /// What could not be started.
        what: &'static str,
        /// The kernel's error.
        source: io::Error,
    },
}

/// A limit set by a user, in bytes: printed in the largest unit that divides it (`4 MiB`), so never rounded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit(pub(crate) u64);

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
