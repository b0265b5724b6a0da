//! A netlink socket of the family sock_diag, which only Linux has.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::message::{Messages, Reply, Request, encode_dump};
use super::unix_socket::UnixRequest;
use super::{PortFilter, SocketEntry, UnixSocket};
use crate::Error;

/// A netlink socket for queries of the kernel's socket tables.
#[derive(Debug)]
pub struct SocketDiag {
    netlink: Socket,
    sequence: u32,
    reply: Vec<u8>,
}

impl SocketDiag {
    /// Opens the netlink socket. Needs no privilege.
    ///
    /// # Errors
    /// If the kernel has no sock_diag, or a sandbox forbids netlink; [`Error::NotVisible`] on a system other than Linux.
    pub fn open() -> Result<SocketDiag, Error> {
        if cfg!(not(target_os = "linux")) {
            return Err(Error::NotVisible { what: "the kernel's table of sockets" });
        }
        let open = || {
            let netlink =
                Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
            // The reply to a look-up is already queued when the request has been sent. The timeout is for a kernel
            // that does not reply at all.
            netlink.set_read_timeout(Some(Duration::from_secs(1)))?;
            Ok(netlink)
        };
        let netlink = open().map_err(Error::kernel("open a sock_diag socket"))?;
        Ok(SocketDiag { netlink, sequence: 0, reply: vec![0; 64 << 10] })
    }

    /// Looks up one socket by its local and its remote address. `None` if there is no such connection.
    ///
    /// For the *other* endpoint of one of this process's connections, pass `(peer, local)`.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn find(&mut self, local: SocketAddr, remote: SocketAddr) -> Result<Option<SocketEntry>, Error> {
        let found = self.look_up(|sequence| Request::exact(local, remote).encode(sequence), Reply::socket)?;
        // If the connection is gone, the kernel returns the socket that listens on its port.
        Ok(found.filter(|socket| socket.is_between(local, remote)))
    }

    /// All listening TCP sockets of this host.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn listening(&mut self) -> Result<Vec<SocketEntry>, Error> {
        self.list(1 << LISTEN, 0)
    }

    /// All connections with the local port `port` (0: any port) and not in TIME-WAIT: the connections of a server.
    /// Walks all sockets of the host: 0.2 ms with few sockets, 14 ms with ten thousand.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub fn connections(&mut self, port: u16) -> Result<Vec<SocketEntry>, Error> {
        self.list(CONNECTED, port)
    }

    /// Adds all sockets that `filter` includes to a list: connections not in TIME-WAIT, connection requests, and what listens.
    ///
    /// # Errors
    /// If the kernel refuses the request.
    pub(crate) fn dump(&mut self, filter: &PortFilter, into: &mut Vec<SocketEntry>) -> Result<(), Error> {
        self.send(|sequence| encode_dump(sequence, CONNECTED | 1 << LISTEN, filter))?;
        self.receive_list(Reply::socket, into)?;
        Ok(())
    }

    /// All Unix-domain sockets of this host that are connected. Walks all of them, which takes 0.2 ms for a few hundred.
    ///
    /// # Errors
    /// If the kernel refuses the request; a kernel may have no unix_diag.
    pub fn unix_sockets(&mut self) -> Result<Vec<UnixSocket>, Error> {
        self.list_unix(UnixRequest::Connected)
    }

    /// All Unix-domain sockets of this host that listen.
    ///
    /// # Errors
    /// As [`unix_sockets`](SocketDiag::unix_sockets).
    pub fn unix_listening(&mut self) -> Result<Vec<UnixSocket>, Error> {
        self.list_unix(UnixRequest::Listening)
    }

    /// Looks up the Unix-domain socket with this inode. `None` if there is no such socket.
    ///
    /// # Errors
    /// As [`unix_sockets`](SocketDiag::unix_sockets).
    pub fn find_unix(&mut self, inode: u32) -> Result<Option<UnixSocket>, Error> {
        // The kernel takes 0 for a mistake. It is what it calls a socket that no process has open.
        if inode == 0 {
            return Ok(None);
        }
        let reply =
            self.look_up(|sequence| UnixRequest::Exact(inode).encode(sequence), Reply::unix_socket)?;
        Ok(reply.map(|socket| *socket))
    }

    fn list_unix(&mut self, request: UnixRequest) -> Result<Vec<UnixSocket>, Error> {
        let all = self.list_settled(|sequence| request.encode(sequence), Reply::unix_socket)?;
        Ok(all.into_iter().map(|socket| *socket).collect())
    }

    /// All sockets in any of `states` (one bit each) with the local port `port` (0: any port), of both families.
    fn list(&mut self, states: u32, port: u16) -> Result<Vec<SocketEntry>, Error> {
        let mut all = Vec::new();
        for unspecified in FAMILIES {
            let request = Request::all(SocketAddr::new(unspecified, port), states);
            all.extend(self.list_settled(|sequence| request.encode(sequence), Reply::socket)?);
        }
        Ok(all)
    }

    /// The one socket that a request names, if there is such a socket.
    fn look_up<T, const N: usize>(
        &mut self,
        request: impl Fn(u32) -> [u8; N],
        parse: fn(Reply) -> io::Result<Option<T>>,
    ) -> Result<Option<T>, Error> {
        self.send(request)?;
        loop {
            let length = self.receive()?;
            // The reply is one message. Messages left over from an earlier request, such as an aborted list, are
            // skipped.
            if let Some(reply) = Messages::new(&self.reply[..length], self.sequence).next() {
                return match reply {
                    Reply::Errno(ENOENT) => Ok(None),
                    reply => parse(reply).map_err(Error::kernel(OPERATION)),
                };
            }
        }
    }

    /// All sockets that match a request. If the list changed while the kernel wrote it, the request is repeated a few
    /// times: on a busy host no list is exact.
    fn list_settled<T, const N: usize>(
        &mut self,
        request: impl Fn(u32) -> [u8; N],
        parse: fn(Reply) -> io::Result<Option<T>>,
    ) -> Result<Vec<T>, Error> {
        for _ in 1..MAX_LIST_ATTEMPTS {
            if let (all, Listed::Complete) = self.list_once(&request, parse)? {
                return Ok(all);
            }
        }
        Ok(self.list_once(&request, parse)?.0)
    }

    fn list_once<T, const N: usize>(
        &mut self,
        request: impl Fn(u32) -> [u8; N],
        parse: fn(Reply) -> io::Result<Option<T>>,
    ) -> Result<(Vec<T>, Listed), Error> {
        self.send(request)?;
        let mut all = Vec::new();
        let listed = self.receive_list(parse, &mut all)?;
        Ok((all, listed))
    }

    /// `parse` is known where this is compiled, so that each socket is written straight to its place.
    fn receive_list<T>(
        &mut self,
        parse: impl Fn(Reply) -> io::Result<Option<T>>,
        into: &mut Vec<T>,
    ) -> Result<Listed, Error> {
        let mut listed = Listed::Complete;
        loop {
            let length = self.receive()?;
            let mut messages = Messages::new(&self.reply[..length], self.sequence);
            while let Some(message) = messages.next() {
                if messages.is_interrupted {
                    listed = Listed::Interrupted;
                }
                match parse(message).map_err(Error::kernel(OPERATION))? {
                    Some(socket) => into.push(socket),
                    None => return Ok(listed),
                }
            }
        }
    }

    /// Sends what `request` encodes with the next sequence number.
    pub(super) fn send<R: AsRef<[u8]>>(&mut self, request: impl Fn(u32) -> R) -> Result<(), Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request(self.sequence);
        // Netlink accepts a message completely or not at all, and a signal cannot interrupt it.
        self.netlink.write_all(bytes.as_ref()).map_err(Error::kernel(OPERATION))
    }

    fn receive(&mut self) -> Result<usize, Error> {
        loop {
            match self.netlink.read(&mut self.reply) {
                // A socket with a timeout reports every signal, also one that has a handler.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.map_err(Error::kernel(OPERATION)),
            }
        }
    }
}

/// Whether a list is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Complete,
    Interrupted,
}

const OPERATION: &str = "query the kernel's sockets (sock_diag)";

/// Maximum number of requests for a list that changes while the kernel writes it.
const MAX_LIST_ATTEMPTS: u32 = 3;

// linux/socket.h, linux/netlink.h, linux/errno.h
const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const ENOENT: i32 = 2;

/// The unspecified address of each family.
const FAMILIES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];

const LISTEN: u32 = 10;
/// All states of a connection: not TIME-WAIT (6), CLOSED (7) or LISTEN (10). With SYN-RECEIVED (3), the kernel also lists connection
/// requests, which have no socket yet.
const CONNECTED: u32 = 0xfff & !(1 << 6 | 1 << 7 | 1 << LISTEN | 1);
