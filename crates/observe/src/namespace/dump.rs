//! All sockets of a server and of its clients at one moment, in whatever network namespaces they are.

use std::ops::Range;

use super::SocketTables;
use super::door::Opened;
use super::socket_tables::is_connected;
use crate::endpoint::PortFilter;
use crate::{Error, SocketEntry, TcpState};

/// The sockets of all namespaces that are visible. It is filled again and again, so that it needs no new memory.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    sockets: Vec<SocketEntry>,
    namespaces: Vec<Listed>,
}

/// The sockets of one namespace.
#[derive(Debug)]
struct Listed {
    range: Range<usize>,
    /// Whether a process of the server is in it.
    is_servers: bool,
}

/// One socket of a dump.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dumped<'a> {
    /// Its number.
    pub(crate) index: usize,
    /// The number of its namespace.
    pub(crate) namespace: usize,
    /// Whether a process of the server is in that namespace.
    pub(crate) is_servers: bool,
    /// The socket.
    pub(crate) socket: &'a SocketEntry,
}

impl Dump {
    /// All its sockets.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Dumped<'_>> {
        self.namespaces.iter().enumerate().flat_map(move |(namespace, listed)| {
            let is_servers = listed.is_servers;
            listed.range.clone().map(move |index| Dumped {
                index,
                namespace,
                is_servers,
                socket: &self.sockets[index],
            })
        })
    }

    /// The socket with this number.
    pub(crate) fn socket(&self, index: usize) -> &SocketEntry {
        &self.sockets[index]
    }

    /// The number of namespaces.
    pub(crate) fn namespaces(&self) -> usize {
        self.namespaces.len()
    }
}

impl SocketTables {
    /// Replaces the contents of `dump` by all sockets that `filter` includes: connections, connection requests and what listens.
    ///
    /// # Errors
    /// If the sockets of the server are not visible, or the kernel refuses the request.
    pub(crate) fn dump(&mut self, filter: &PortFilter, dump: &mut Dump) -> Result<(), Error> {
        let Dump { sockets, namespaces } = dump;
        sockets.clear();
        namespaces.clear();
        match &mut self.own {
            Some(own) => own.dump(filter, sockets)?,
            None if self.is_in_own => {
                return Err(Error::NotVisible { what: "the kernel's table of sockets" });
            }
            None => {}
        }
        if !self.is_in_own && self.others.is_empty() {
            return Err(Error::NotVisible { what: "the table of sockets of another network namespace" });
        }
        namespaces.push(Listed { range: 0..sockets.len(), is_servers: self.is_in_own });
        for other in &mut self.others {
            let start = sockets.len();
            match other {
                Opened::Netlink(diag) => diag.dump(filter, sockets)?,
                Opened::Files(table) => {
                    table.renew();
                    let listed = table.sockets().map_err(Error::kernel("read the sockets in /proc"))?;
                    sockets.extend(listed.iter().filter(|socket| is_dumped(socket, filter)));
                }
            }
            namespaces.push(Listed { range: start..sockets.len(), is_servers: true });
        }
        Ok(())
    }
}

/// Whether a dump of netlink would include a socket of the files.
fn is_dumped(socket: &SocketEntry, filter: &PortFilter) -> bool {
    let has_state =
        is_connected(socket.state) || matches!(socket.state, TcpState::Listen | TcpState::SynReceived);
    has_state && filter.includes(socket.local.port(), socket.remote.port())
}
