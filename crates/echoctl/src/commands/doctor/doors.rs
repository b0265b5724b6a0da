//! The doors to what the kernel knows about a server: for whose servers each is open, and what opens it for all.

use echoctl_observe::{CensusScope, Door, SocketDiag, sees_other_users};
use serde::Serialize;

/// All doors.
#[derive(Debug, Clone)]
pub(super) struct Doors {
    /// The sockets of Unix-domain connections.
    pub(super) unix_sockets: DoorState,
    /// All that is known about sockets in other network namespaces.
    pub(super) other_namespaces: DoorState,
    /// Their queues, in the files of a process.
    pub(super) namespace_files: DoorState,
    /// The open files of processes, and with them who listens and what is written to disk.
    pub(super) files: DoorState,
    /// The size of a process's memory.
    pub(super) memory: DoorState,
    /// The payload in it.
    pub(super) payload: DoorState,
    /// The sockets of TCP connections.
    sockets: DoorState,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct DoorState {
    /// Its name in JSON.
    door: &'static str,
    /// For whose servers it is open.
    open: Open,
    /// What opens it for all. Absent if it is open for all, or if nothing opens it on this system.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_by: Option<&'static str>,
}

/// For whose servers a door is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Open {
    AllUsers,
    OwnUser,
    /// For the processes that this program has started.
    Descendants,
    None,
}

impl Doors {
    /// Those of this system for this user.
    pub(super) fn here(census: CensusScope) -> Doors {
        let is_linux = cfg!(target_os = "linux");
        let all_if = |is_open: bool| if is_linux && is_open { Open::AllUsers } else { Open::None };
        let own_files = if is_linux { Open::OwnUser } else { Open::None };
        let files = if sees_other_users() { all_if(true) } else { own_files };
        let (others, diag) = (Door::to_others(), SocketDiag::open());
        let payload = match census {
            CensusScope::Everyone => Open::AllUsers,
            CensusScope::OwnUser => Open::OwnUser,
            CensusScope::Descendants => Open::Descendants,
            CensusScope::Nobody => Open::None,
        };
        let state = |door, open, key| {
            let opened_by = Some(key).filter(|_| is_linux && open != Open::AllUsers);
            DoorState { door, open, opened_by }
        };
        Doors {
            sockets: state("sockets", all_if(diag.is_ok()), "a sandbox that permits netlink sockets"),
            unix_sockets: state(
                "unix_sockets",
                all_if(diag.is_ok_and(|mut diag| diag.unix_listening().is_ok())),
                "the kernel module unix_diag",
            ),
            other_namespaces: state(
                "other_namespaces",
                if others == Door::Netlink { files } else { Open::None },
                "root, or CAP_SYS_ADMIN with CAP_SYS_PTRACE",
            ),
            namespace_files: state("namespace_files", all_if(others != Door::Closed), VISIBLE),
            files: state("files", files, PTRACE),
            memory: state("memory", all_if(others != Door::Closed), VISIBLE),
            payload: state("payload", payload, PTRACE),
        }
    }

    /// All of them, as they are listed in JSON.
    pub(super) fn list(&self) -> [DoorState; 7] {
        let Doors { sockets, unix_sockets, other_namespaces, namespace_files, files, memory, payload } =
            *self;
        [sockets, unix_sockets, other_namespaces, namespace_files, files, memory, payload]
    }
}

impl DoorState {
    /// For whose servers it is open.
    fn whose(self) -> &'static str {
        match self.open {
            Open::AllUsers => "yes, for all users",
            Open::OwnUser => "for your own servers",
            Open::Descendants => "for servers that audit starts itself\n(kernel.yama.ptrace_scope is 1)",
            Open::None => "no",
        }
    }

    /// The same, and on the next line what opens it for all.
    pub(super) fn text(self) -> String {
        match self.opened_by {
            Some(key) => format!("{}\nopened by {key}", self.whose()),
            None => self.whose().to_owned(),
        }
    }

    /// What opens it for all, if anything has to.
    pub(super) fn key(self) -> &'static str {
        self.opened_by.unwrap_or_default()
    }

    /// Whether it is open for any server.
    pub(super) fn is_open(self) -> bool {
        self.open != Open::None
    }
}

/// What shows other users' processes.
const VISIBLE: &str = "procfs without hidepid";

/// What opens the files and the memory of other users' processes.
const PTRACE: &str = "root, or CAP_SYS_PTRACE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_that_is_not_open_for_all_names_what_opens_it() {
        for door in Doors::here(CensusScope::Descendants).list() {
            let has_key = door.text().contains("\nopened by ");
            assert_eq!(has_key, cfg!(target_os = "linux") && door.open != Open::AllUsers, "{door:?}");
        }
    }
}
