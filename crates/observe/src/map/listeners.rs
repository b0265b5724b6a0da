//! The sockets that listen, in each namespace: by them, the server of a connection is known, and what its clients connect to.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;

use crate::{Error, SocketEntry, SocketTables, UnixSocket};

/// What a connection was opened to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Address {
    Tcp(SocketAddr),
    /// Empty for a pair of sockets.
    Unix(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(addr) => addr.fmt(f),
            Address::Unix(path) => f.write_str(path),
        }
    }
}

/// The sockets that listen, in each namespace.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    tcp: Vec<HashMap<u16, Vec<SocketEntry>>>,
    pub(super) unix: Vec<UnixSocket>,
}

impl Listeners {
    /// All that are visible. A kernel without unix_diag shows those of TCP.
    pub(super) fn read(tables: &mut SocketTables) -> Result<(Listeners, Vec<UnixSocket>), Error> {
        let mut tcp = Vec::new();
        for sockets in tables.listening_by_namespace()? {
            let mut by_port: HashMap<u16, Vec<SocketEntry>> = HashMap::new();
            for socket in sockets {
                by_port.entry(socket.local.port()).or_default().push(socket);
            }
            tcp.push(by_port);
        }
        let (unix, connected) = tables.unix().unwrap_or_default();
        Ok((Listeners { tcp, unix }, connected))
    }

    /// Inode and address of every one.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, Address)> {
        let tcp = self.tcp.iter().flat_map(HashMap::values).flatten();
        let tcp = tcp.map(|socket| (socket.inode, Address::Tcp(socket.local)));
        tcp.chain(self.unix.iter().map(|socket| (socket.inode, path_of(socket))))
    }

    /// The inodes of all of them.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u32> {
        self.all().map(|(inode, _)| inode)
    }

    /// The inodes of the sockets that listen at each address of each namespace: several share one with SO_REUSEPORT.
    pub(super) fn by_address(&self) -> Vec<Vec<u32>> {
        let mut all: Vec<Vec<u32>> = self.unix.iter().map(|socket| vec![socket.inode]).collect();
        for sockets in self.tcp.iter().flat_map(HashMap::values) {
            let mut by_address: BTreeMap<SocketAddr, Vec<u32>> = BTreeMap::new();
            for socket in sockets {
                by_address.entry(socket.local).or_default().push(socket.inode);
            }
            all.extend(by_address.into_values());
        }
        all
    }

    pub(super) fn at(&self, namespace: usize, local: SocketAddr) -> Option<&SocketEntry> {
        let sockets = self.tcp.get(namespace)?.get(&local.port())?;
        let exact = sockets.iter().find(|socket| socket.local == local);
        exact.or_else(|| sockets.iter().find(|socket| socket.covers(local)))
    }

    pub(super) fn at_path(&self, end: &UnixSocket) -> Option<&UnixSocket> {
        let name = end.name.as_ref()?;
        self.unix.iter().find(|socket| socket.name.as_ref() == Some(name) && socket.file == end.file)
    }
}

/// The address of a Unix-domain socket as text; an abstract name begins with `@`, as in ss(8).
pub(super) fn path_of(socket: &UnixSocket) -> Address {
    let name = socket.name.as_ref().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Address::Unix(match name.strip_prefix('\0') {
        Some(name) => format!("@{}", name.trim_end_matches('\0')),
        None => name,
    })
}
