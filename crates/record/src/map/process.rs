//! A node of the map: the processes of one program that share a listening socket, or a peer of which only its address is known.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::printable;

/// A node of the map. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessNode {
    /// What it stands for.
    pub kind: NodeKind,
    /// The name of the program, of the user, or the address of the host.
    pub name: String,
    /// Its processes in ascending order: several are the workers of one server. Empty unless it is a [`NodeKind::Process`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pids: Vec<u32>,
    /// The addresses at which it listens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<String>,
    /// Its private memory: anonymous, shared and swapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Growth of this memory over the last seconds, in bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_growth: Option<f64>,
    /// The seconds over which that growth is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth_seconds: Option<f64>,
    /// What it wrote to disk over the last seconds, in bytes per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_rate: Option<f64>,
    /// Whether one of its processes is suspended, by a signal or a debugger.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_suspended: bool,
}

/// What a node stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Processes of this host.
    #[default]
    Process,
    /// A process of another user, whose open files are hidden.
    OtherUser,
    /// Another host.
    Remote,
    /// A process of this host or of a container that is not visible here.
    Hidden,
    /// A process that has not been looked for yet.
    Unknown,
}

impl fmt::Display for ProcessNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = printable(&self.name);
        let text = match (self.kind, self.pids.as_slice()) {
            (NodeKind::Process, []) => name.into_owned(),
            (NodeKind::Process, [pid]) => format!("{name} ({pid})"),
            (NodeKind::Process, [pid, others @ ..]) => format!("{name} ({pid} and {} more)", others.len()),
            (NodeKind::OtherUser, _) => match self.listen.first() {
                Some(address) => format!("a process of user {name} at {}", printable(address)),
                None => format!("a process of user {name}"),
            },
            (NodeKind::Remote, _) => name.into_owned(),
            (NodeKind::Hidden, _) => format!("{name} (not visible here)"),
            (NodeKind::Unknown, _) => format!("{name} (process not known yet)"),
        };
        f.pad(&text)
    }
}
