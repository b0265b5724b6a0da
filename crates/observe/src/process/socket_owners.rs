//! Finds the processes that have sockets open, again and again, without delaying the caller.
//!
//! Only a walk over the open files of all processes shows who has a socket open: 2 ms on a small host, a tenth of a second with
//! 5,000 processes and 50,000 files. So it runs on a thread, when there are sockets that it has not looked for, and seldom enough to
//! use at most a fiftieth of a core. On a small host the caller waits for it, and has the names at once.
//!
//! Without a new socket, only what is known is checked, which costs a look at each known file: a server that passes a connection to a
//! worker closes its own file. What keeps it and passes a copy is seen with the next walk.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::owner::{Owner, owners_text};
use super::pids::{is_socket, sockets};
use super::{pids, start_thread};

/// The processes that have sockets of this host open, as far as their files are visible: to their user and to root.
#[derive(Debug)]
pub struct SocketOwners {
    /// By inode, as of the last walk: also sockets without a visible process.
    known: Arc<Holders>,
    /// Duration of the last walk; zero before the first one.
    cost: Duration,
    /// When another walk is due at the earliest, when what is known is to be checked, and when a walk is due even if it still holds.
    next: Instant,
    refresh: Instant,
    whole: Instant,
    walk: Option<Receiver<Walk>>,
}

/// The processes by the inode of a socket.
type Holders = HashMap<u32, OfSocket>;

/// The processes that have one socket open.
#[derive(Debug, Default)]
struct OfSocket {
    /// Youngest first: of a server that forks, the worker comes before its parent.
    holders: Vec<Held>,
    /// The same in one line: thousands of connections are printed several times per second.
    text: Box<str>,
}

/// A process that has a socket open, and its first file descriptor of it.
#[derive(Debug)]
struct Held {
    by: Arc<Holder>,
    descriptor: u32,
}

#[derive(Debug, PartialEq, Eq)]
struct Holder {
    owner: Owner,
    started: u64,
}

impl Holder {
    fn of(pid: u32) -> Option<Holder> {
        Owner::with_start(pid).map(|(owner, started)| Holder { owner, started })
    }
}

/// The result of a walk, or of a check of the last one.
#[derive(Debug)]
struct Walk {
    holders: Arc<Holders>,
    cost: Duration,
    is_new: bool,
}

impl Default for SocketOwners {
    fn default() -> SocketOwners {
        let now = Instant::now();
        let known = Arc::default();
        SocketOwners { known, cost: Duration::ZERO, next: now, refresh: now, whole: now, walk: None }
    }
}

impl SocketOwners {
    /// Looks for the processes of these sockets, if some are new and a walk is due; sockets that are not among them are forgotten by
    /// then. The first call waits at most `FIRST_PATIENCE`, and a later one `PATIENCE` if walks take no longer than
    /// that; otherwise the names appear after another call.
    pub fn update(&mut self, inodes: impl IntoIterator<Item = u32>) {
        self.finish(Duration::ZERO);
        let now = Instant::now();
        if self.walk.is_some() || now < self.next {
            return;
        }
        // A closed socket has the inode 0.
        let wanted: HashSet<u32> = inodes.into_iter().filter(|inode| *inode != 0).collect();
        let has_new = wanted.iter().any(|inode| !self.known.contains_key(inode));
        if wanted.is_empty() || !(has_new || now >= self.refresh) {
            return;
        }
        let (result, results) = sync_channel(1);
        let known = (!has_new && now < self.whole).then(|| Arc::clone(&self.known));
        let walk = move || {
            let started = Instant::now();
            let unchanged = known.filter(|known| still_hold(&wanted, known));
            let is_new = unchanged.is_none();
            let holders = unchanged.unwrap_or_else(|| Arc::new(walk(&wanted)));
            // If the watch has ended, there is no receiver.
            let _ = result.send(Walk { holders, cost: started.elapsed(), is_new });
        };
        self.next = now + MIN_INTERVAL;
        if start_thread("socket-owners", walk).is_ok() {
            self.walk = Some(results);
            self.finish(match self.cost {
                Duration::ZERO => FIRST_PATIENCE,
                cost if cost <= PATIENCE => PATIENCE,
                _ => Duration::ZERO,
            });
        }
    }

    /// The processes that have this socket open, youngest first: that of a worker comes before its parent's. Empty if they are not
    /// visible, or not yet.
    pub fn owners(&self, inode: u32) -> impl Iterator<Item = &Owner> {
        self.known.get(&inode).into_iter().flat_map(|known| &known.holders).map(|held| &held.by.owner)
    }

    /// The same in one line, such as `curl (pid 4711)`; `None` if they are not visible, or not yet.
    pub fn process(&self, inode: u32) -> Option<String> {
        self.known.get(&inode).map(|known| &*known.text).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Whether a walk has looked for this socket: if not, its processes may be known later.
    pub(crate) fn has_looked_for(&self, inode: u32) -> bool {
        self.known.contains_key(&inode)
    }

    /// Takes the result of a walk, if there is one within this time.
    fn finish(&mut self, patience: Duration) {
        let Some(results) = &self.walk else { return };
        match results.recv_timeout(patience) {
            Ok(Walk { holders, cost, is_new }) => {
                let now = Instant::now();
                self.next = now + MIN_INTERVAL.max(cost * WALK_SHARE);
                self.refresh = now + REFRESH_INTERVAL.max(cost * REFRESH_SHARE);
                if is_new {
                    self.cost = cost;
                    self.whole = now + REFRESH_INTERVAL.max(cost * WHOLE_SHARE);
                }
                (self.known, self.walk) = (holders, None);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.walk = None,
        }
    }
}

/// The visible processes that have these sockets open. All of `wanted` are in the result.
fn walk(wanted: &HashSet<u32>) -> Holders {
    let mut holders: Holders = wanted.iter().map(|inode| (*inode, OfSocket::default())).collect();
    for pid in pids() {
        let mut process = None;
        for (descriptor, inode) in sockets(pid) {
            let Some(of_socket) = holders.get_mut(&inode) else { continue };
            if process.is_none() {
                process = Holder::of(pid).map(Arc::new);
            }
            let Some(process) = &process else { break };
            // A process may have the same socket open twice.
            if !of_socket.holders.iter().any(|known| Arc::ptr_eq(&known.by, process)) {
                of_socket.holders.push(Held { by: Arc::clone(process), descriptor });
            }
        }
    }
    for of_socket in holders.values_mut() {
        of_socket.holders.sort_by_key(|Held { by, .. }| (Reverse(by.started), Reverse(by.owner.pid)));
        of_socket.text = owners_text(of_socket.holders.iter().map(|held| &held.by.owner)).into();
    }
    holders
}

/// Whether the processes that are known to have these sockets open still do, and run the same programs.
fn still_hold(wanted: &HashSet<u32>, known: &Holders) -> bool {
    let mut same: HashMap<u32, bool> = HashMap::new();
    let mut is_same = |holder: &Holder| {
        let pid = holder.owner.pid;
        *same.entry(pid).or_insert_with(|| Holder::of(pid).is_some_and(|now| now == *holder))
    };
    wanted.iter().filter_map(|inode| Some((*inode, known.get(inode)?))).all(|(inode, of_socket)| {
        let mut holders = of_socket.holders.iter();
        holders.all(|held| is_same(&held.by) && is_socket(held.by.owner.pid, held.descriptor, inode))
    })
}

/// The first call waits this long, so that the first sample has names: it delays the start and no interval between samples.
const FIRST_PATIENCE: Duration = Duration::from_millis(100);

/// A later call waits this long, a small part of the interval between samples.
const PATIENCE: Duration = Duration::from_millis(10);

/// Interval between walks for new sockets: a name may appear this much later than its connection.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// Interval between checks without a new socket. A server passes connections to its workers after it has accepted them.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);

/// Walks use at most one part in this many of a core.
const WALK_SHARE: u32 = 50;

/// The same of checks of what is known.
const REFRESH_SHARE: u32 = 100;

/// The same of walks without a new socket.
const WHOLE_SHARE: u32 = 1000;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    use echoctl_testkit::{Running, eventually};

    use super::super::own_socket_inode;
    use super::*;

    #[test]
    fn a_socket_is_found_in_the_youngest_process_that_has_it() {
        let listener = TcpListener::bind((crate::loopback(), 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let inodes = [&client, &server].map(|socket| own_socket_inode(socket).unwrap());
        let mut owners = SocketOwners::default();
        let me = std::process::id();

        let stdin = OwnedFd::from(client.try_clone().unwrap());
        let child = Running::start(Command::new("cat").stdin(Stdio::from(stdin)));
        // A child of another test has them open until it runs its program.
        eventually("both processes are found", || {
            let now = Instant::now();
            (owners.next, owners.refresh, owners.whole) = (now, now, now);
            owners.update(inodes);
            let found = inodes.map(|inode| owners.owners(inode).map(|owner| owner.pid).collect::<Vec<_>>());
            let is_so = found == [vec![child.pid(), me], vec![me]];
            if is_so { Ok(()) } else { Err(format!("{found:?}")) }
        });

        assert!(owners.process(inodes[0]).unwrap().starts_with(&format!("cat (pid {}), ", child.pid())));
        assert_eq!(owners.process(1), None, "no socket of this host");
        drop((client, server));
    }

    #[test]
    fn there_is_no_walk_without_a_new_socket() {
        let listener = TcpListener::bind((crate::loopback(), 0)).unwrap();
        let inode = own_socket_inode(&listener).unwrap();
        let mut owners = SocketOwners::default();
        owners.update([]);
        assert!(owners.known.is_empty() && owners.walk.is_none());
        eventually("the first walk has ended", || {
            owners.update([inode, 0, u32::MAX]);
            !owners.known.is_empty()
        });
        owners.next = Instant::now();
        let before = owners.next;

        owners.update([inode, u32::MAX]);

        assert_eq!((owners.next, owners.walk.is_none()), (before, true), "a hidden one is not new either");
    }

    #[test]
    fn a_socket_that_is_passed_on_is_found_without_a_new_one() {
        let listener = TcpListener::bind((crate::loopback(), 0)).unwrap();
        let inode = own_socket_inode(&listener).unwrap();
        let is_only = |owners: &SocketOwners, pid| owners.owners(inode).map(|owner| owner.pid).eq([pid]);
        let mut owners = SocketOwners::default();
        let me = std::process::id();
        // A child of another test has it open until it runs its program.
        eventually("this process has it", || {
            let now = Instant::now();
            (owners.next, owners.whole) = (now, now + REFRESH_INTERVAL);
            owners.known = Arc::default();
            owners.update([inode]);
            is_only(&owners, me)
        });
        let known = Arc::clone(&owners.known);
        let wanted = HashSet::from([inode]);
        assert!(still_hold(&wanted, &known));

        let stdin = Stdio::from(OwnedFd::from(listener));
        let child = Running::start(Command::new("sleep").arg("3600").stdin(stdin));

        assert!(!still_hold(&wanted, &known));
        eventually("the child has it", || {
            let now = Instant::now();
            (owners.next, owners.refresh, owners.whole) = (now, now, now + REFRESH_INTERVAL);
            owners.update([inode]);
            is_only(&owners, child.pid())
        });
        let known = Arc::clone(&owners.known);
        owners.next = Instant::now();
        owners.refresh = owners.next;
        owners.update([inode]);
        eventually("what still holds is kept", || {
            owners.finish(Duration::ZERO);
            owners.walk.is_none()
        });
        assert!(Arc::ptr_eq(&known, &owners.known));
    }
}
