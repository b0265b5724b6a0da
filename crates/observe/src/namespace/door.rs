//! How the sockets of a process are visible.

#[cfg(target_os = "linux")]
use std::fs::File;

use super::NetworkNamespace;
use super::text_table::TextTable;
use crate::{Error, SocketDiag};
#[cfg(target_os = "linux")]
use crate::{start_thread, sys};

/// How the sockets of a process are visible. Ordered from the one that shows most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// The process is in this program's network namespace.
    Own,
    /// Through a netlink socket that was opened inside its namespace.
    Netlink,
    /// Through the files of `/proc/PID/net`: states and queues, but no counters and no windows.
    Files,
    /// Not at all.
    Closed,
}

impl Door {
    /// How another namespace is visible to this program in general: through [`Door::Netlink`] if it may enter its own one again, which
    /// takes the same capability.
    pub fn to_others() -> Door {
        match enter("/proc/self/ns/net") {
            Ok(_) => Door::Netlink,
            // Process 1 belongs to root: a `/proc` that hides other users' processes hides it.
            Err(_) if NetworkNamespace::of(1).is_some() => Door::Files,
            Err(_) => Door::Closed,
        }
    }
}

/// The sockets of a namespace other than this program's.
#[derive(Debug)]
pub(super) enum Opened {
    Netlink(SocketDiag),
    Files(TextTable),
}

impl Opened {
    /// Opens the door that shows most of the namespace of a process.
    pub(super) fn of(pid: u32) -> Option<Opened> {
        match enter(&format!("/proc/{pid}/ns/net")) {
            Ok(diag) => Some(Opened::Netlink(diag)),
            Err(_) => TextTable::of(pid).map(Opened::Files),
        }
    }

    pub(super) fn netlink(&mut self) -> Option<&mut SocketDiag> {
        match self {
            Opened::Netlink(diag) => Some(diag),
            Opened::Files(_) => None,
        }
    }

    pub(super) fn door(&self) -> Door {
        match self {
            Opened::Netlink(_) => Door::Netlink,
            Opened::Files(_) => Door::Files,
        }
    }
}

/// Opens a netlink socket inside a namespace, in a thread that ends afterwards: the socket stays in it.
#[cfg(target_os = "linux")]
fn enter(namespace: &str) -> Result<SocketDiag, Error> {
    let namespace = File::open(namespace).map_err(Error::kernel("open a network namespace"))?;
    let open = move || {
        sys::enter_network_namespace(&namespace).map_err(Error::kernel("enter a network namespace"))?;
        SocketDiag::open()
    };
    let opened = start_thread("namespace", open)?.join();
    opened.unwrap_or(Err(Error::NotVisible { what: "another network namespace" }))
}

#[cfg(not(target_os = "linux"))]
fn enter(_: &str) -> Result<SocketDiag, Error> {
    Err(Error::NotVisible { what: "another network namespace" })
}
