//! Which processes listen, and their memory.
//!
//! To find the processes of a socket, the open files of all processes are read, which takes 20 to 100 ms on a busy host. So it is done
//! only when a socket is new, or when the processes of one have exited. A socket that was closed, and has connections left, is not
//! looked up.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

use echoctl_observe::{ListenerReading, Owner, ProcessTree, listeners};
use echoctl_record::printable;

/// The processes of all listeners.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// Those of a target, for its listeners in other network namespaces.
    given: Vec<Owner>,
    by_addr: HashMap<SocketAddr, Known>,
    /// By the processes at their roots.
    trees: HashMap<BTreeSet<u32>, Tree>,
}

/// The processes of a listener.
#[derive(Debug)]
struct Known {
    /// Of one of its sockets.
    inode: u32,
    /// Their names; `None` if the socket was closed before they were looked up.
    process: Option<String>,
    roots: BTreeSet<u32>,
}

/// Processes with their descendants, and their memory in this sample.
#[derive(Debug)]
struct Tree {
    processes: ProcessTree,
    /// `None` if all have exited.
    anonymous_memory: Option<u64>,
}

/// What is known about the processes of a listener.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// Their names; empty if they are not visible, and `None` if they are not known now.
    pub(super) process: Option<String>,
    /// Their memory with that of their descendants.
    pub(super) anonymous_memory: Option<u64>,
}

impl Processes {
    /// Knows the processes of a target.
    pub(super) fn new(given: Vec<Owner>) -> Processes {
        Processes { given, ..Processes::default() }
    }

    /// Finds the processes of these listeners, and reads their memory.
    pub(super) fn update(&mut self, listening: &[ListenerReading]) {
        for tree in self.trees.values_mut() {
            tree.read();
        }
        let is_known = |reading: &ListenerReading| {
            !reading.is_open
                || self.by_addr.get(&reading.addr).is_some_and(|known| {
                    let has_exited = || self.trees.get(&known.roots).is_some_and(Tree::has_exited);
                    known.inode == reading.inode && !has_exited()
                })
        };
        if !listening.iter().all(is_known) {
            self.look_up(listening);
        }
    }

    /// What is known about a listener.
    pub(super) fn of(&self, listener: SocketAddr) -> Listening {
        let Some(known) = self.by_addr.get(&listener) else { return Listening::default() };
        let tree = self.trees.get(&known.roots);
        Listening {
            process: known.process.clone(),
            anonymous_memory: tree.and_then(|tree| tree.anonymous_memory),
        }
    }

    fn look_up(&mut self, listening: &[ListenerReading]) {
        let found = listeners().unwrap_or_default();
        let found: HashMap<SocketAddr, Vec<Owner>> =
            found.into_iter().filter_map(|listener| Some((listener.addr.tcp()?, listener.owners))).collect();
        let mut before = std::mem::take(&mut self.by_addr);
        for reading in listening {
            let known = before.remove(&reading.addr);
            let known = if reading.is_open {
                Some(Known::now(reading, found.get(&reading.addr), &self.given, known))
            } else {
                known
            };
            if let Some(known) = known {
                self.by_addr.insert(reading.addr, known);
            }
        }
        let used: BTreeSet<&BTreeSet<u32>> = self.by_addr.values().map(|known| &known.roots).collect();
        self.trees.retain(|roots, tree| used.contains(roots) && !tree.has_exited());
        for roots in used {
            if !self.trees.contains_key(roots)
                && let Some(tree) = Tree::new(roots)
            {
                self.trees.insert(roots.clone(), tree);
            }
        }
    }
}

impl Known {
    /// Of an open socket that has these owners, or, if it was not found, those of the target.
    fn now(
        reading: &ListenerReading,
        found: Option<&Vec<Owner>>,
        given: &[Owner],
        before: Option<Known>,
    ) -> Known {
        let owners = found.map_or(given, Vec::as_slice);
        let is_closed = found.is_none() && given.is_empty();
        let before = before.filter(|known| known.inode == reading.inode);
        // Its processes have exited between the sample and this look.
        let process = match before {
            Some(known) if owners.is_empty() => known.process,
            _ => Some(names(owners)).filter(|_| !is_closed),
        };
        Known { inode: reading.inode, process, roots: roots(owners) }
    }
}

impl Tree {
    /// The tree of those that are still running; `None` if none is.
    fn new(roots: &BTreeSet<u32>) -> Option<Tree> {
        let mut trees =
            roots.iter().enumerate().filter_map(|(at, root)| Some((at, ProcessTree::new([*root]).ok()?)));
        let (first, mut processes) = trees.next()?;
        for root in roots.iter().skip(first + 1) {
            // One that has exited meanwhile has no memory.
            let _ = processes.add(*root);
        }
        let mut tree = Tree { processes, anonymous_memory: None };
        tree.read();
        Some(tree)
    }

    fn read(&mut self) {
        let reading = self.processes.read();
        let memory = reading.memory.anonymous + reading.memory.swapped;
        self.anonymous_memory = (reading.processes > 0).then_some(memory);
    }

    fn has_exited(&self) -> bool {
        self.anonymous_memory.is_none()
    }
}

/// Their names, each once: `nginx`. A restart does not change them, as it would change pids.
fn names(owners: &[Owner]) -> String {
    let servers = owners.iter().filter(|owner| owners.len() == 1 || !is_service_manager(owner));
    let names: BTreeSet<String> =
        servers.map(|owner| printable(&owner.name).chars().take(MAX_NAME).collect()).collect();
    names.into_iter().take(MAX_NAMES).collect::<Vec<_>>().join(", ")
}

/// The processes whose memory is a server's.
fn roots(owners: &[Owner]) -> BTreeSet<u32> {
    owners.iter().filter(|owner| !is_service_manager(owner)).map(|owner| owner.pid).collect()
}

/// Whether it has the socket open only to start a server with it. All processes of the host are its descendants.
fn is_service_manager(owner: &Owner) -> bool {
    owner.pid == 1 && owner.name == "systemd"
}

/// Characters of a name: those of a program are shorter.
const MAX_NAME: usize = 64;

/// Names of different processes that share a listener.
const MAX_NAMES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(pid: u32, name: &str) -> Owner {
        Owner { pid, name: name.to_owned() }
    }

    #[test]
    fn names_have_no_pid_and_no_control_character() {
        let workers = [owner(12, "nginx"), owner(13, "nginx"), owner(14, "ngx\u{1b}[2J")];

        assert_eq!(names(&workers[..2]), "nginx");
        assert!(!names(&workers).contains('\u{1b}') && names(&workers).starts_with("nginx, ngx"));
        assert_eq!(names(&[]), "");
        let long = "x".repeat(10 * MAX_NAME);
        assert_eq!(names(&[owner(7, &long)]).len(), MAX_NAME);
    }

    #[test]
    fn a_socket_that_closes_meanwhile_keeps_its_name() {
        let reading = |inode| ListenerReading::new(SocketAddr::from(([127, 0, 0, 1], 1)), 0, inode);
        let nginx = || Known::now(&reading(7), Some(&vec![owner(12, "nginx")]), &[], None);
        let process = |inode, found: Option<&[Owner]>| {
            Known::now(&reading(inode), found.map(<[Owner]>::to_vec).as_ref(), &[], Some(nginx())).process
        };

        assert_eq!(nginx().process.as_deref(), Some("nginx"));
        assert_eq!(process(7, Some(&[])).as_deref(), Some("nginx"), "its processes have exited");
        assert_eq!(process(7, None).as_deref(), Some("nginx"), "it was closed");
        assert_eq!(process(8, None), None, "another one was closed before it was looked up");
        assert_eq!(process(8, Some(&[])).as_deref(), Some(""), "another one whose processes are not visible");
        assert_eq!(process(8, Some(&[owner(12, "caddy")])).as_deref(), Some("caddy"), "with the same pid");
    }

    #[test]
    fn a_service_manager_is_not_the_server() {
        let [systemd, sshd] = [owner(1, "systemd"), owner(700, "sshd")];

        assert_eq!(names(&[systemd.clone(), sshd.clone()]), "sshd");
        assert_eq!(roots(&[systemd.clone(), sshd]), BTreeSet::from([700]));
        assert_eq!(
            (names(std::slice::from_ref(&systemd)), roots(&[systemd])),
            ("systemd".to_owned(), BTreeSet::new())
        );
        assert_eq!(roots(&[owner(1, "nginx")]), BTreeSet::from([1]), "the server of a container");
    }
}
