//! Where the endpoints of a server's connections are looked up: in this program's network namespace and in the server's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::door::Opened;
use super::{Door, NetworkNamespace};
use crate::{Error, SocketDiag, SocketEntry, TcpState, UnixSocket};

/// The socket tables of a server, and those of this program's namespace, in which its clients are.
#[derive(Debug)]
pub struct SocketTables {
    /// `None` without sock_diag (another system or a sandbox).
    pub(super) own: Option<SocketDiag>,
    /// Whether a process of the server is in this program's namespace, or none is known.
    pub(super) is_in_own: bool,
    /// The other namespaces of the server's processes.
    pub(super) others: Vec<Opened>,
    /// Whether a process is in a namespace whose tables are not visible.
    is_closed: bool,
    /// By the client's port, the addresses of the only connection that a server elsewhere has with that port.
    by_client_port: Option<BTreeMap<u16, Option<(SocketAddr, SocketAddr)>>>,
}

impl SocketTables {
    /// Those of a server with these processes. Without any, it is in this program's namespace.
    pub fn of(pids: impl IntoIterator<Item = u32>) -> SocketTables {
        let mut tables = SocketTables {
            own: SocketDiag::open().ok(),
            is_in_own: false,
            others: Vec::new(),
            is_closed: false,
            by_client_port: None,
        };
        let own = NetworkNamespace::own();
        let mut known = BTreeSet::new();
        for pid in pids {
            // One that has exited by now, or a system without namespaces.
            let Some(namespace) = NetworkNamespace::of(pid) else { continue };
            if Some(namespace) == own {
                tables.is_in_own = true;
            } else if known.insert(namespace) {
                let opened = Opened::of(pid);
                tables.is_closed |= opened.is_none();
                tables.others.extend(opened);
            }
        }
        tables.is_in_own |= known.is_empty();
        tables
    }

    /// The door that shows least of the server.
    pub fn door(&self) -> Door {
        let own = match (self.is_in_own, &self.own) {
            (true, None) => Some(Door::Closed),
            (true, Some(_)) => Some(Door::Own),
            (false, _) => None,
        };
        let closed = self.is_closed.then_some(Door::Closed);
        let doors = self.others.iter().map(Opened::door).chain(own).chain(closed);
        doors.max().unwrap_or(Door::Closed)
    }

    /// Marks the end of a sample: what was listed as text is outdated.
    pub fn renew(&mut self) {
        self.by_client_port = None;
        for other in &mut self.others {
            if let Opened::Files(table) = other {
                table.renew();
            }
        }
    }

    /// The server's end of a connection of this program, which has the address `client` and connected to `server`.
    ///
    /// On the way to another namespace addresses may be translated (published ports of containers). So if no connection has exactly
    /// these addresses, it is the only one with the client's port of those that the server has accepted.
    pub fn server_of_own(&mut self, server: SocketAddr, client: SocketAddr) -> Option<SocketEntry> {
        let own = self.own.as_mut().and_then(|diag| diag.find(server, client).ok().flatten());
        if own.is_some() || self.others.is_empty() {
            return own;
        }
        // Loopback of this namespace is not that of another one.
        let is_loopback = client.ip().to_canonical().is_loopback();
        let exact = if is_loopback { None } else { self.find_in_others(server, client) };
        exact.or_else(|| {
            let (server, client) = self.translated(client.port())?;
            self.find_in_others(server, client)
        })
    }

    /// One end of a connection, by its own address and that of the other one.
    pub(crate) fn end(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<SocketEntry> {
        let own = self.own.as_mut().and_then(|diag| diag.find(local, remote).ok().flatten());
        own.or_else(|| self.find_in_others(local, remote))
    }

    /// Both ends of a connection of the server: that of the client at `client` if it is on this host, and that of the server.
    pub(crate) fn ends(
        &mut self,
        client: SocketAddr,
        server: SocketAddr,
    ) -> (Option<SocketEntry>, Option<SocketEntry>) {
        let mut own = |from, to| self.own.as_mut().and_then(|diag| diag.find(from, to).ok().flatten());
        if self.is_in_own {
            let client_end = own(client, server);
            let server_end = own(server, client);
            if server_end.is_some() || self.others.is_empty() {
                return (client_end, server_end);
            }
        }
        let is_loopback = client.ip().to_canonical().is_loopback();
        let client_end = if is_loopback { None } else { own(client, server) };
        let client_end = client_end.or_else(|| self.find_in_others(client, server));
        (client_end, self.find_in_others(server, client))
    }

    /// All connections with the local port `port` in the server's namespaces: see [`SocketDiag::connections`].
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn connections(&mut self, port: u16) -> Result<Vec<SocketEntry>, Error> {
        self.list(
            |diag| diag.connections(port),
            |socket| (port == 0 || socket.local.port() == port) && is_connected(socket.state),
        )
    }

    /// All Unix-domain sockets that are connected, of the server's namespaces and of this program's.
    ///
    /// # Errors
    /// If the kernel refuses the request; a kernel may have no unix_diag, and without a netlink socket in a namespace its sockets
    /// are not visible.
    pub fn unix_sockets(&mut self) -> Result<Vec<UnixSocket>, Error> {
        let mut connected = Vec::new();
        for diag in self.all_netlinks() {
            connected.extend(diag.unix_sockets()?);
        }
        Ok(connected)
    }

    /// The inodes of the Unix-domain sockets that are connected and have no name, as a client's, where only files show them: they do
    /// not say to what they are connected.
    pub fn unix_clients_in_files(&mut self) -> BTreeSet<u32> {
        let tables = self.others.iter_mut().filter_map(|other| match other {
            Opened::Netlink(_) => None,
            Opened::Files(table) => Some(table.unix_clients()),
        });
        tables.flatten().collect()
    }

    /// Whether a process of the server is in another namespace than this program.
    pub fn leave_own(&self) -> bool {
        !self.others.is_empty() || self.is_closed
    }

    /// All listening sockets in those of the server's namespaces that are not this program's.
    ///
    /// # Errors
    /// If the files of a namespace cannot be read, or the kernel refuses the request.
    pub fn listening_in_others(&mut self) -> Result<Vec<SocketEntry>, Error> {
        let is_in_own = std::mem::replace(&mut self.is_in_own, false);
        let listening = if self.others.is_empty() { Ok(Vec::new()) } else { self.listening() };
        self.is_in_own = is_in_own;
        listening
    }

    /// All listening sockets in the server's namespaces.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub(crate) fn listening(&mut self) -> Result<Vec<SocketEntry>, Error> {
        self.list(SocketDiag::listening, |socket| socket.state == TcpState::Listen)
    }

    /// The Unix-domain socket with this inode, of the server or of a client in this program's namespace.
    pub(crate) fn find_unix(&mut self, inode: u32) -> Option<UnixSocket> {
        self.all_netlinks().find_map(|diag| diag.find_unix(inode).ok().flatten())
    }

    /// All Unix-domain sockets of the server's namespaces that listen, and those of these and of this program's that are connected.
    ///
    /// # Errors
    /// If the kernel refuses the request; a kernel may have no unix_diag, and without a netlink socket in a namespace its sockets
    /// are not visible.
    pub(crate) fn unix(&mut self) -> Result<(Vec<UnixSocket>, Vec<UnixSocket>), Error> {
        let mut listening = Vec::new();
        for diag in self.netlinks() {
            listening.extend(diag.unix_listening()?);
        }
        Ok((listening, self.unix_sockets()?))
    }

    /// The netlink sockets in the server's namespaces and in this program's.
    fn all_netlinks(&mut self) -> impl Iterator<Item = &mut SocketDiag> {
        self.own.iter_mut().chain(self.others.iter_mut().filter_map(Opened::netlink))
    }

    /// The netlink sockets in the server's namespaces.
    pub(super) fn netlinks(&mut self) -> impl Iterator<Item = &mut SocketDiag> {
        let own = self.own.as_mut().filter(|_| self.is_in_own);
        own.into_iter().chain(self.others.iter_mut().filter_map(Opened::netlink))
    }

    fn list(
        &mut self,
        from_netlink: impl Fn(&mut SocketDiag) -> Result<Vec<SocketEntry>, Error>,
        is_listed: impl Fn(&SocketEntry) -> bool,
    ) -> Result<Vec<SocketEntry>, Error> {
        let mut all = Vec::new();
        if self.is_in_own {
            let own = self.own.as_mut();
            all = from_netlink(own.ok_or(Error::NotVisible { what: "the kernel's table of sockets" })?)?;
        } else if self.others.is_empty() {
            return Err(Error::NotVisible { what: "the table of sockets of another network namespace" });
        }
        for other in &mut self.others {
            match other {
                Opened::Netlink(diag) => all.extend(from_netlink(diag)?),
                Opened::Files(table) => {
                    let sockets = table.sockets().map_err(Error::kernel(OPERATION))?;
                    all.extend(sockets.iter().filter(|socket| is_listed(socket)));
                }
            }
        }
        Ok(all)
    }

    fn find_in_others(&mut self, local: SocketAddr, remote: SocketAddr) -> Option<SocketEntry> {
        self.others.iter_mut().find_map(|other| match other {
            Opened::Netlink(diag) => diag.find(local, remote).ok().flatten(),
            Opened::Files(table) => table.find(local, remote).ok().flatten(),
        })
    }

    /// The addresses of the only connection that a server in another namespace has accepted from this port: its own, and the
    /// client's as it appears there.
    fn translated(&mut self, port: u16) -> Option<(SocketAddr, SocketAddr)> {
        if self.by_client_port.is_none() {
            self.by_client_port = Some(self.accepted_in_others());
        }
        *self.by_client_port.as_ref()?.get(&port)?
    }

    fn accepted_in_others(&mut self) -> BTreeMap<u16, Option<(SocketAddr, SocketAddr)>> {
        let mut all = Vec::new();
        for other in &mut self.others {
            // What cannot be listed is not found.
            let listed = match other {
                Opened::Netlink(diag) => diag.listening().and_then(|mut listening| {
                    listening.extend(diag.connections(0)?);
                    Ok(listening)
                }),
                Opened::Files(table) => table.sockets().map(<[_]>::to_vec).map_err(Error::kernel(OPERATION)),
            };
            all.extend(listed.unwrap_or_default());
        }
        accepted_by_client_port(&all)
    }
}

pub(super) const OPERATION: &str = "read the sockets in /proc";

/// Of these sockets, those of accepted connections by the client's port; `None` for a port that several have.
fn accepted_by_client_port(all: &[SocketEntry]) -> BTreeMap<u16, Option<(SocketAddr, SocketAddr)>> {
    let is_listening = |socket: &&SocketEntry| socket.state == TcpState::Listen;
    let ports: BTreeSet<u16> = all.iter().filter(is_listening).map(|socket| socket.local.port()).collect();
    let mut by_port = BTreeMap::new();
    for socket in all {
        if is_connected(socket.state) && ports.contains(&socket.local.port()) {
            by_port
                .entry(socket.remote.port())
                .and_modify(|only| *only = None)
                .or_insert(Some((socket.local, socket.remote)));
        }
    }
    by_port
}

/// Whether a socket in this state is a connection with data, as in [`SocketDiag::connections`].
pub(super) fn is_connected(state: TcpState) -> bool {
    use TcpState::{Closed, Listen, SynReceived, TimeWait, Unknown};
    !matches!(state, Closed | Listen | SynReceived | TimeWait | Unknown(_))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn socket(state: TcpState, local: &str, remote: &str) -> SocketEntry {
        SocketEntry {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            state,
            rqueue: 0,
            wqueue: 0,
            uid: 0,
            inode: 0,
            timer: None,
            unanswered: 0,
            only_v6: false,
            info: None,
            memory: None,
        }
    }

    #[test]
    fn a_client_is_known_by_its_port_if_no_other_has_it() {
        use TcpState::{Established, Listen, TimeWait};
        let all = [
            socket(Listen, "0.0.0.0:80", "0.0.0.0:0"),
            socket(Established, "172.17.0.2:80", "172.17.0.1:40000"),
            socket(Established, "172.17.0.2:80", "172.17.0.1:40001"),
            socket(Established, "172.17.0.2:80", "172.17.0.9:40001"),
            socket(TimeWait, "172.17.0.2:80", "172.17.0.1:40002"),
            socket(Established, "172.17.0.2:6000", "172.17.0.3:5432"),
        ];

        let found = accepted_by_client_port(&all);

        let only = (all[1].local, all[1].remote);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(40000, Some(only)), (40001, None)]);
    }

    #[test]
    fn both_ends_of_a_connection_of_this_namespace_are_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let client = TcpStream::connect(addr).unwrap();
        let _server = listener.accept().unwrap();
        let from = client.local_addr().unwrap();
        let me = std::process::id();

        let mut tables = SocketTables::of([me]);

        assert_eq!(tables.door(), Door::Own);
        assert_eq!(tables.server_of_own(addr, from).unwrap().local, addr);
        let (client, server) = tables.ends(from, addr);
        assert_eq!((client.unwrap().local, server.unwrap().local), (from, addr));
        assert_eq!(tables.connections(addr.port()).unwrap().len(), 1);
        assert!(tables.listening_addresses(&[me]).unwrap()[&addr.into()].contains(&me));
    }
}
