//! The machine that a run was made on, as far as it affects the figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A machine and its network settings. Contains nothing that identifies its owner or its location.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system: `linux`, `macos`, `windows`.
    pub system: String,
    /// Release of the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Architecture of the processor: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Processors that the program may use.
    pub processors: u32,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Kernel settings that limit the queues, by name and as the kernel prints them: `net.ipv4.tcp_rmem`, …
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
    /// The most bytes that the kernels of both ends buffer for one connection with these settings.
    #[serde(alias = "slack", default, skip_serializing_if = "Option::is_none")]
    pub kernel_buffering: Option<u64>,
}

/// The most that a kernel buffers for one socket, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketLimits {
    /// In its send queue.
    pub send: u64,
    /// In its receive queue.
    pub receive: u64,
}

impl Machine {
    /// The limits of a socket on this machine; no limits where its settings are not known.
    pub fn socket_limits(&self) -> SocketLimits {
        SocketLimits {
            send: self.queue_limit("net.ipv4.tcp_wmem", "net.core.wmem_max"),
            receive: self.queue_limit("net.ipv4.tcp_rmem", "net.core.rmem_max"),
        }
    }

    /// The larger of the two ways in which a queue gets its limit: the kernel tunes it up to the last value of `tuned`, or a
    /// program sets it, up to `settable`, and the kernel doubles that.
    fn queue_limit(&self, tuned: &str, settable: &str) -> u64 {
        let last = |name: &str| self.sysctls.get(name)?.split_ascii_whitespace().last()?.parse::<u64>().ok();
        let Some(tuned) = last(tuned) else { return u64::MAX };
        tuned.max(last(settable).unwrap_or(0).saturating_mul(2))
    }
}

impl Default for SocketLimits {
    /// No limits.
    fn default() -> SocketLimits {
        SocketLimits { send: u64::MAX, receive: u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_the_larger_of_tuned_and_settable() {
        let sysctls = [
            ("net.ipv4.tcp_wmem", "4096\t16384\t4194304"),
            ("net.core.wmem_max", "212992"),
            ("net.ipv4.tcp_rmem", "4096 131072 6291456"),
            ("net.core.rmem_max", "33554432"),
        ];
        let sysctls = sysctls.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let machine = Machine { sysctls, ..Machine::default() };

        assert_eq!(machine.socket_limits(), SocketLimits { send: 4 << 20, receive: 64 << 20 });
        assert_eq!(Machine::default().socket_limits(), SocketLimits::default());
    }
}
