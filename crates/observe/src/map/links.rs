//! Connections as links: the two ends of each, found by their addresses or, of Unix-domain sockets, by the inode of the peer.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use echoctl_record::Transport;

use super::end::{End, EndOwner};
use super::listeners::{Address, Listeners, path_of};
use super::owners::Owners;
use crate::{Error, SocketEntry, SocketTables, UnixKind, UnixSocket, user_name};

/// A connection with the ends that are visible.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Link {
    pub(super) transport: Transport,
    /// What was connected to.
    pub(super) address: Address,
    /// What tells it from other connections, together with the inodes of its ends.
    pub(super) client_address: Option<SocketAddr>,
    pub(super) client: (EndOwner, Option<End>),
    pub(super) server: (EndOwner, Option<End>),
    /// Whether the server has accepted it.
    pub(super) is_accepted: bool,
    /// The inode of the socket that accepted it, or will.
    pub(super) listener: Option<u32>,
}

/// All sockets of the host at one instant, as far as they are visible.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) listeners: Listeners,
    /// The connections of TCP, in each namespace.
    tcp: Vec<Vec<SocketEntry>>,
    unix: Vec<UnixSocket>,
}

impl Sockets {
    pub(super) fn read(tables: &mut SocketTables) -> Result<Sockets, Error> {
        let (listeners, unix) = Listeners::read(tables)?;
        Ok(Sockets { listeners, tcp: tables.by_namespace()?, unix })
    }

    /// The inodes of all of them.
    pub(super) fn inodes(&self) -> impl Iterator<Item = u32> {
        let tcp = self.tcp.iter().flatten().map(|socket| socket.inode);
        tcp.chain(self.unix.iter().map(|socket| socket.inode)).chain(self.listeners.inodes())
    }

    /// The connections between them.
    pub(super) fn links(&self, owners: &Owners) -> Vec<Link> {
        let mut links = tcp(&self.tcp, &self.listeners, owners);
        links.extend(unix(&self.unix, &self.listeners, owners));
        links
    }
}

impl Link {
    /// Whether a process of it has not been looked for yet.
    pub(super) fn is_pending(&self) -> bool {
        [&self.client, &self.server].into_iter().any(|(owner, _)| matches!(owner, EndOwner::Unknown(_)))
    }
}

/// An end of TCP, in a namespace.
#[derive(Debug, Clone, Copy)]
struct Placed<'a> {
    entry: &'a SocketEntry,
    listener: Option<&'a SocketEntry>,
}

fn tcp(namespaces: &[Vec<SocketEntry>], listeners: &Listeners, owners: &Owners) -> Vec<Link> {
    let mut ends: HashMap<(usize, SocketAddr, SocketAddr), Placed<'_>> = HashMap::new();
    for (namespace, sockets) in namespaces.iter().enumerate() {
        for entry in sockets {
            let listener = listeners.at(namespace, entry.local);
            ends.insert((namespace, entry.local, entry.remote), Placed { entry, listener });
        }
    }
    let mut links = Vec::new();
    for (&(namespace, local, remote), &end) in &ends {
        // Loopback of one namespace is not that of another one.
        let elsewhere = 0..if local.ip().is_loopback() { 0 } else { namespaces.len() };
        let peer =
            std::iter::once(namespace).chain(elsewhere).find_map(|place| ends.get(&(place, remote, local)));
        match peer.copied() {
            // Each connection is found from both of its ends, and is added once.
            Some(peer) if !is_client(end, peer) => {}
            Some(peer) => links.extend(Link::of_tcp(Some(end), Some(peer), owners)),
            None if end.listener.is_some() => links.extend(Link::of_tcp(None, Some(end), owners)),
            None => links.extend(Link::of_tcp(Some(end), None, owners)),
        }
    }
    links
}

/// Which of two ends opened the connection: the one at whose address no socket listens or, if that does not tell, the one with the
/// higher port.
fn is_client(one: Placed<'_>, other: Placed<'_>) -> bool {
    match (one.listener.is_some(), other.listener.is_some()) {
        (false, true) => true,
        (true, false) => false,
        _ => {
            let key = |end: Placed<'_>| (end.entry.local.port(), end.entry.local.ip());
            key(one) > key(other)
        }
    }
}

impl Link {
    /// `None` if a process has closed an end: what the kernel still sends, no process waits for.
    fn of_tcp(client: Option<Placed<'_>>, server: Option<Placed<'_>>, owners: &Owners) -> Option<Link> {
        let known = server.or(client)?.entry;
        let (client_address, server_address) = match server {
            Some(_) => (known.remote, known.local),
            None => (known.local, known.remote),
        };
        let ends = [client, server].into_iter().flatten();
        if ends.clone().any(|end| end.entry.inode == 0 && end.entry.state.has_sent_fin()) {
            return None;
        }
        let owner = |end: Option<Placed<'_>>, address: SocketAddr| match end {
            Some(end) if end.entry.local == server_address => owner_of(end, server_address, owners),
            Some(end) => owner_of(end, server_address, owners).into_client(),
            None => elsewhere(address.ip()),
        };
        Some(Link {
            transport: Transport::Tcp,
            address: Address::Tcp(server_address),
            client_address: Some(client_address),
            client: (owner(client, client_address), client.map(|end| End::of_tcp(end.entry))),
            server: (owner(server, server_address), server.map(|end| End::of_tcp(end.entry))),
            is_accepted: server.is_none_or(|end| end.entry.inode != 0),
            listener: server.and_then(|end| end.listener).map(|listener| listener.inode),
        })
    }
}

/// The owner of an end that is visible. In the accept queue, it is the process that listens.
fn owner_of(end: Placed<'_>, server: SocketAddr, owners: &Owners) -> EndOwner {
    let inode = match (end.entry.inode, end.listener) {
        (0, Some(listener)) => listener.inode,
        (inode, _) => inode,
    };
    owner(inode, end.entry.uid, &Address::Tcp(server), owners)
}

/// The owner of a socket at an address, as far as it is visible.
fn owner(inode: u32, uid: u32, address: &Address, owners: &Owners) -> EndOwner {
    match owners.of(inode).next() {
        Some(process) => EndOwner::Process(process.pid),
        None if owners.is_hidden(uid) => {
            EndOwner::User(user_name(uid).unwrap_or(uid.to_string()), address.to_string())
        }
        None if owners.is_pending(inode) => EndOwner::Unknown(address.to_string()),
        None => EndOwner::Hidden(address.to_string()),
    }
}

/// The owner of an end that is not visible.
fn elsewhere(ip: IpAddr) -> EndOwner {
    match ip.to_canonical() {
        ip if ip.is_loopback() => EndOwner::Hidden(ip.to_string()),
        ip => EndOwner::Remote(ip),
    }
}

fn unix(connected: &[UnixSocket], listeners: &Listeners, owners: &Owners) -> Vec<Link> {
    let by_inode: HashMap<u32, &UnixSocket> = connected.iter().map(|socket| (socket.inode, socket)).collect();
    let owner_of = |inode: u32, socket: Option<&&UnixSocket>, address: &Address| {
        let uid = socket.and_then(|socket| socket.uid).unwrap_or(u32::MAX);
        owner(inode, uid, address, owners)
    };
    let mut links = Vec::new();
    for server in connected.iter().filter(|socket| socket.kind != UnixKind::Datagrams && socket.inode != 0) {
        let Some(client) = by_inode.get(&server.peer) else { continue };
        // The end of a server has the address of the socket that listens; of a pair, either end is as good.
        let is_server = match (server.name.is_some(), client.name.is_some()) {
            (true, false) => true,
            (false, true) => false,
            _ => server.inode > client.inode,
        };
        if is_server {
            let address = path_of(server);
            links.push(Link {
                transport: Transport::Unix,
                client_address: None,
                client: (
                    owner_of(client.inode, Some(client), &address).into_client(),
                    Some(End::of_unix(client)),
                ),
                server: (owner_of(server.inode, Some(&server), &address), Some(End::of_unix(server))),
                is_accepted: true,
                listener: listeners.at_path(server).map(|listener| listener.inode),
                address,
            });
        }
    }
    for listener in &listeners.unix {
        for client in listener.waiting.iter().filter_map(|inode| by_inode.get(inode)) {
            let address = path_of(listener);
            links.push(Link {
                transport: Transport::Unix,
                client_address: None,
                client: (
                    owner_of(client.inode, Some(client), &address).into_client(),
                    Some(End::of_unix(client)),
                ),
                server: (owner_of(listener.inode, Some(&listener), &address), None),
                is_accepted: false,
                listener: Some(listener.inode),
                address,
            });
        }
    }
    links
}
