//! Who listens at an address: the sockets, their owner, and the processes that hold them.
//!
//! The kernel tells the sockets and their owner's user id to everybody. Which process holds a socket is to be seen in
//! `/proc/PID/fd` alone, which only that user and root may read.

use std::fmt;
use std::net::SocketAddr;

use crate::Error;
#[cfg(target_os = "linux")]
use crate::socket_inodes;
use crate::users::user_name;

/// What listens at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens: the address asked for, or a wildcard (`0.0.0.0`, `[::]`) that covers it.
    pub addr: SocketAddr,
    /// The user that owns it; `None` where the system does not tell.
    pub uid: Option<u32>,
    /// The processes that hold it, lowest pid first: a server and its workers may share one. Empty when they are not
    /// visible: they are another user's.
    pub owners: Vec<Owner>,
}

/// A process that holds a listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its pid.
    pub pid: u32,
    /// The program's name.
    pub name: String,
}

impl Listener {
    /// The pids of its owners.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.owners.iter().map(|owner| owner.pid)
    }

    /// Whether it belongs to another user than the one who runs this program. `None` where that is not visible.
    pub fn is_of_another_user(&self) -> Option<bool> {
        Some(self.uid? != own_uid()?)
    }
}

/// `redis-server (pid 512)`, or why it is not known.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.owners.as_slice(), self.uid) {
            ([], None) => write!(f, "process not visible on this system: give --pid"),
            ([], Some(uid)) => {
                let user = user_name(uid).unwrap_or_else(|| format!("uid {uid}"));
                write!(f, "process not visible: it is another user's ({user}); give --pid")
            }
            ([one], _) => write!(f, "{} (pid {})", one.name, one.pid),
            ([first, more @ ..], _) => {
                write!(f, "{} (pid {} and {} more)", first.name, first.pid, more.len())
            }
        }
    }
}

/// Finds who listens at `addr`: at exactly that address if somebody does, else at a wildcard that covers it.
///
/// Takes 20 to 100 ms on a busy host, since the files of all processes are looked through.
///
/// # Errors
/// [`Error::NotListening`]; [`Error::NotVisible`] on a system that does not tell.
#[cfg(target_os = "linux")]
pub fn listener_at(addr: SocketAddr) -> Result<Listener, Error> {
    let listening = crate::SocketDiag::open()?.listening()?;
    let at = |wanted: fn(&crate::SocketEntry, SocketAddr) -> bool| {
        let all: Vec<_> = listening
            .iter()
            .filter(|found| found.local.port() == addr.port() && wanted(found, addr))
            .collect();
        (!all.is_empty()).then_some(all)
    };
    let exact = |found: &crate::SocketEntry, addr: SocketAddr| found.local.ip() == addr.ip().to_canonical();
    let wildcard = |found: &crate::SocketEntry, addr: SocketAddr| {
        let ip = found.local.ip();
        ip.is_unspecified()
            && (ip.is_ipv4() == addr.ip().to_canonical().is_ipv4() || ip.is_ipv6() && !found.only_v6)
    };
    // With SO_REUSEPORT several sockets, of one user, listen at the same address.
    let Some(sockets) = at(exact).or_else(|| at(wildcard)) else { return Err(Error::NotListening { addr }) };
    let inodes: Vec<u32> = sockets.iter().map(|found| found.inode).collect();
    Ok(Listener { addr: sockets[0].local, uid: Some(sockets[0].uid), owners: holders(&inodes) })
}

/// Not visible on this system.
///
/// # Errors
/// Always: which process listens is not visible.
#[cfg(not(target_os = "linux"))]
pub fn listener_at(_: SocketAddr) -> Result<Listener, Error> {
    Err(Error::NotVisible { what: "which process listens (give --pid)" })
}

/// The addresses at which these processes listen, sorted. Empty when they listen nowhere, or when their files are not
/// visible: another user's.
///
/// # Errors
/// [`Error::NotVisible`] on a system that does not tell.
#[cfg(target_os = "linux")]
pub fn listening_addresses(pids: impl IntoIterator<Item = u32>) -> Result<Vec<SocketAddr>, Error> {
    let listening = crate::SocketDiag::open()?.listening()?;
    let mut addrs = Vec::new();
    for pid in pids {
        for inode in socket_inodes(pid) {
            addrs.extend(listening.iter().filter(|found| found.inode == inode).map(|found| found.local));
        }
    }
    addrs.sort();
    addrs.dedup();
    Ok(addrs)
}

/// Not visible on this system.
///
/// # Errors
/// Always: where a process listens is not visible.
#[cfg(not(target_os = "linux"))]
pub fn listening_addresses(_: impl IntoIterator<Item = u32>) -> Result<Vec<SocketAddr>, Error> {
    Err(Error::NotVisible { what: "where a process listens" })
}

/// The processes that have one of these sockets open, as far as we may see.
#[cfg(target_os = "linux")]
fn holders(inodes: &[u32]) -> Vec<Owner> {
    let holds = |pid: &u32| socket_inodes(*pid).any(|inode| inodes.contains(&inode));
    let mut owners: Vec<Owner> = crate::pids()
        .filter(holds)
        .filter_map(|pid| Some(Owner { pid, name: crate::Process::open(pid).ok()?.name().to_owned() }))
        .collect();
    owners.sort_by_key(|owner| owner.pid);
    owners
}

/// Whether the files of other users' processes are visible, and with them who listens at a port and what is written to
/// disk. Their memory is visible to everybody, given the pid.
pub fn sees_other_users() -> bool {
    // The first process is root's, except in a container, where it may be ours: then all that we see is.
    std::fs::read_dir("/proc/1/fd").is_ok()
}

/// The user that this program runs as.
fn own_uid() -> Option<u32> {
    crate::Process::open(std::process::id()).ok()?.uid()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_is_found_at_its_own_address_and_behind_a_wildcard() {
        let exact = TcpListener::bind("127.0.0.1:0").unwrap();
        let any = TcpListener::bind("0.0.0.0:0").unwrap();
        let addr = exact.local_addr().unwrap();
        let port = any.local_addr().unwrap().port();

        let found = listener_at(addr).unwrap();
        let behind = listener_at(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();

        assert_eq!(found.addr, addr);
        assert_eq!(found.pids().collect::<Vec<_>>(), [std::process::id()]);
        assert_eq!(found.is_of_another_user(), Some(false));
        assert_eq!(behind.addr, any.local_addr().unwrap());
        assert_eq!(behind.pids().collect::<Vec<_>>(), [std::process::id()]);
    }

    #[test]
    fn the_addresses_of_a_process_are_where_it_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();

        let addrs = listening_addresses([std::process::id()]).unwrap();

        assert!(addrs.contains(&listener.local_addr().unwrap()));
    }

    #[test]
    fn an_address_where_nobody_listens_says_so() {
        // Bound and not listening: nobody else can have the port meanwhile.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let addr = socket.local_addr().unwrap().as_socket().unwrap();

        let error = listener_at(addr).unwrap_err();

        assert_eq!(error.to_string(), format!("nobody listens at {addr} on this host"));
    }

    #[test]
    fn an_owner_that_is_not_visible_is_said_to_be_another_users() {
        let hidden = Listener { addr: ([127, 0, 0, 1], 80).into(), uid: Some(0), owners: Vec::new() };

        assert_eq!(hidden.to_string(), "process not visible: it is another user's (root); give --pid");
    }
}
