//! The machine: what a run was made on, as far as it decides the figures.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A machine and its network settings. Nothing here names its owner or its place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Machine {
    /// The operating system: `linux`, `macos`, `windows`.
    pub system: String,
    /// The kernel's release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The processor's architecture: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Processors that the program may use.
    pub processors: u32,
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Kernel settings that bound the queues, by name and as the kernel writes them: `net.ipv4.tcp_rmem`, …
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
    /// The most bytes that the kernels of both ends can hold for one connection with these settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "slack")]
    pub kernel_buffering: Option<u64>,
}
