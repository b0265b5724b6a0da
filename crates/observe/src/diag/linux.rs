//! Linux: netlink, family sock_diag.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::SocketEntry;
use super::message::{Messages, Reply, Request};
use crate::Error;

/// A line to the kernel's socket tables.
#[derive(Debug)]
pub struct SocketDiag {
    netlink: Socket,
    sequence: u32,
    reply: Vec<u8>,
}

impl SocketDiag {
    /// Opens the line. Needs no privilege.
    ///
    /// # Errors
    /// When the kernel has no sock_diag, or a sandbox forbids netlink.
    pub fn open() -> Result<SocketDiag, Error> {
        let open = || {
            let netlink = Socket::new(
                Domain::from(libc::AF_NETLINK),
                Type::RAW,
                Some(Protocol::from(libc::NETLINK_SOCK_DIAG)),
            )?;
            // The answer to a look-up stands in the queue when the request has been sent; this is for the kernel that
            // would not answer at all.
            netlink.set_read_timeout(Some(Duration::from_secs(1)))?;
            Ok(netlink)
        };
        let netlink = open().map_err(Error::kernel("open a sock_diag socket"))?;
        Ok(SocketDiag { netlink, sequence: 0, reply: vec![0; 64 << 10] })
    }

    /// Looks one socket up by its own address and its peer's. `None` when there is no such connection (any more).
    ///
    /// For the *other* end of a connection of ours, pass `(peer, local)`.
    ///
    /// # Errors
    /// When the kernel refuses the request.
    pub fn find(&mut self, local: SocketAddr, remote: SocketAddr) -> Result<Option<SocketEntry>, Error> {
        self.send(&Request::Exact { local, remote })?;
        loop {
            let length = self.receive()?;
            // One message answers it. What a request before left behind, as after a list that was given up, is passed over.
            if let Some(reply) = Messages::new(&self.reply[..length], self.sequence).next() {
                return match reply {
                    // Where the exact connection is gone the kernel answers with the socket that listens at its port.
                    Reply::Socket(socket) => {
                        Ok(Some(socket).filter(|socket| socket.is_between(local, remote)))
                    }
                    Reply::Errno(libc::ENOENT) | Reply::Done => Ok(None),
                    Reply::Errno(code) => Err(kernel_error(code)),
                    Reply::Malformed => Err(Error::Malformed { operation: OPERATION }),
                };
            }
        }
    }

    /// All listening TCP sockets of this host.
    ///
    /// # Errors
    /// When the kernel refuses the request.
    pub fn listening(&mut self) -> Result<Vec<SocketEntry>, Error> {
        let mut all = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            all.extend(self.list(&Request::All { family, states: 1 << LISTEN, port: 0 })?);
        }
        Ok(all)
    }

    /// All connections whose own port is `port` (0: all connections), in any state but time-wait: the connections of a
    /// server. Walks all sockets of the host: 0.2 ms with few of them, 14 ms with ten thousand.
    ///
    /// # Errors
    /// When the kernel refuses the request.
    pub fn connections(&mut self, port: u16) -> Result<Vec<SocketEntry>, Error> {
        let mut all = Vec::new();
        for family in [libc::AF_INET, libc::AF_INET6] {
            all.extend(self.list(&Request::All { family, states: CONNECTED, port })?);
        }
        Ok(all)
    }

    /// All sockets that a request asks for. A list that changed while the kernel wrote it is asked for again, a few times:
    /// where sockets come and go all the time none is exact.
    fn list(&mut self, request: &Request) -> Result<Vec<SocketEntry>, Error> {
        for _ in 1..MAX_LIST_ATTEMPTS {
            if let (all, Listed::Complete) = self.list_once(request)? {
                return Ok(all);
            }
        }
        Ok(self.list_once(request)?.0)
    }

    fn list_once(&mut self, request: &Request) -> Result<(Vec<SocketEntry>, Listed), Error> {
        self.send(request)?;
        let mut all = Vec::new();
        let mut listed = Listed::Complete;
        loop {
            let length = self.receive()?;
            let mut messages = Messages::new(&self.reply[..length], self.sequence);
            while let Some(message) = messages.next() {
                if messages.was_interrupted() {
                    listed = Listed::Interrupted;
                }
                match message {
                    Reply::Socket(socket) => all.push(socket),
                    Reply::Done => return Ok((all, listed)),
                    Reply::Errno(code) => return Err(kernel_error(code)),
                    Reply::Malformed => return Err(Error::Malformed { operation: OPERATION }),
                }
            }
        }
    }

    pub(super) fn send(&mut self, request: &Request) -> Result<(), Error> {
        self.sequence = self.sequence.wrapping_add(1);
        let bytes = request.encode(self.sequence);
        // Netlink takes a message whole or not at all, and a signal never comes between.
        self.netlink.write_all(&bytes).map_err(Error::kernel(OPERATION))
    }

    fn receive(&mut self) -> Result<usize, Error> {
        loop {
            match self.netlink.read(&mut self.reply) {
                // A socket with a time limit reports every signal, also one that is handled and ends nothing.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.map_err(Error::kernel(OPERATION)),
            }
        }
    }
}

/// How a list came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Complete,
    Interrupted,
}

fn kernel_error(code: i32) -> Error {
    Error::Kernel { operation: OPERATION, error: std::io::Error::from_raw_os_error(code) }
}

const OPERATION: &str = "ask the kernel for a socket (sock_diag)";

/// How often a list is asked for that changes while it is written.
const MAX_LIST_ATTEMPTS: u32 = 3;

const LISTEN: u32 = 10;
/// All states that a connection with data can be in: not time-wait (6), closed (7) and listen (10); nor the requests
/// (12) that have no socket yet.
const CONNECTED: u32 = 0xfff & !(1 << 6 | 1 << 7 | 1 << LISTEN | 1);
