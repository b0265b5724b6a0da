//! Encodes requests and parses replies of sock_diag (`linux/netlink.h` and `linux/inet_diag.h`; for Unix-domain sockets see
//! `unix_socket.rs`).
//!
//! ```text
//! request    nlmsghdr 16 | inet_diag_req_v2 56
//! the older  nlmsghdr 16 | inet_diag_req    60 | attribute with a filter …
//! reply      nlmsghdr 16 | inet_diag_msg    72 | attributes: length 2, kind 2, value, padded to 4 …
//! ```
//!
//! The older request lists both families at once. All are small and have not changed since Linux 3.3, so this file replaces three crates.

use std::io;
use std::net::{IpAddr, SocketAddr};

use super::unix_socket::AF_UNIX;
use super::{PortFilter, SocketEntry, Timer, UnixSocket};
use crate::endpoint::number::{bytes_at, u16_at, u32_at};
use crate::{SocketMemory, TcpInfo, TcpState};

/// A request to the kernel: for the socket with these addresses, or for a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    local: SocketAddr,
    remote: SocketAddr,
    /// One bit each.
    states: u32,
    flags: u16,
}

impl Request {
    /// The socket with these addresses.
    pub(super) fn exact(local: SocketAddr, remote: SocketAddr) -> Request {
        Request { local, remote, states: u32::MAX, flags: REQUEST }
    }

    /// All sockets of the family of `unspecified` (`0.0.0.0`, `[::]`) in any of `states` (one bit each), with its port or any if 0.
    pub(super) fn all(unspecified: SocketAddr, states: u32) -> Request {
        let remote = SocketAddr::new(unspecified.ip(), 0);
        Request { local: unspecified, remote, states, flags: REQUEST | DUMP }
    }

    /// Encodes the request in 72 bytes.
    pub(super) fn encode(&self, sequence: u32) -> [u8; 72] {
        let mut bytes = [0; 72];
        let length = bytes.len() as u32;
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &length.to_ne_bytes());
        put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        put(6, &self.flags.to_ne_bytes());
        put(8, &sequence.to_ne_bytes());
        let family = if self.local.is_ipv4() { AF_INET } else { AF_INET6 };
        put(16, &[family, IPPROTO_TCP, WITH_INFO | WITH_MEMORY]);
        put(20, &self.states.to_ne_bytes());
        for (addr, port_at, ip_at) in [(self.local, 24, 28), (self.remote, 26, 44)] {
            put(port_at, &addr.port().to_be_bytes());
            match addr.ip() {
                IpAddr::V4(ip) => put(ip_at, &ip.octets()),
                IpAddr::V6(ip) => put(ip_at, &ip.octets()),
            }
        }
        // A link-local address needs the number of an interface; otherwise this is 0.
        if let SocketAddr::V6(remote) = self.remote {
            put(60, &remote.scope_id().to_ne_bytes());
        }
        // The cookie is unknown, so the socket is identified only by its addresses.
        put(64, &[0xff; 8]);
        bytes
    }
}

/// Encodes the older request, for all sockets of both families in any of `states` (one bit each) that `filter` includes. One walk over
/// the kernel's table instead of two.
pub(super) fn encode_dump(sequence: u32, states: u32, filter: &PortFilter) -> Vec<u8> {
    // The request has a place for one port, which takes the kernel a tenth less time than a program of the same meaning.
    let (port, attribute) = match filter.only_local() {
        Some(port) => (port, Vec::new()),
        None => (0, filter.encode()),
    };
    let mut bytes = vec![0; 76];
    // At most 64 ports: it fits.
    let length = (bytes.len() + attribute.len()) as u32;
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &length.to_ne_bytes());
    put(4, &TCPDIAG_GETSOCK.to_ne_bytes());
    put(6, &(REQUEST | DUMP).to_ne_bytes());
    put(8, &sequence.to_ne_bytes());
    put(19, &[WITH_INFO | WITH_MEMORY]);
    put(20, &port.to_be_bytes());
    put(68, &states.to_ne_bytes());
    bytes.extend(attribute);
    bytes
}

/// One message of the kernel.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are TCP sockets, tens of thousands: none is worth an allocation"
)]
#[derive(Debug)]
pub(super) enum Reply {
    /// A TCP socket.
    Socket(SocketEntry),
    /// A Unix-domain socket.
    Unix(Box<UnixSocket>),
    /// The end of a list.
    Done,
    /// An error, as a positive errno.
    Errno(i32),
    /// Not in the documented format.
    Malformed,
}

impl Reply {
    /// The TCP socket, or `None` at the end of a list.
    pub(super) fn socket(self) -> io::Result<Option<SocketEntry>> {
        match self {
            Reply::Socket(entry) => Ok(Some(entry)),
            other => other.end(),
        }
    }

    /// The Unix-domain socket, or `None` at the end of a list.
    pub(super) fn unix_socket(self) -> io::Result<Option<Box<UnixSocket>>> {
        match self {
            Reply::Unix(socket) => Ok(Some(socket)),
            other => other.end(),
        }
    }

    /// `None` at the end of a list; an error for anything else, which is not the requested socket.
    fn end<T>(self) -> io::Result<Option<T>> {
        match self {
            Reply::Done => Ok(None),
            Reply::Errno(code) => Err(io::Error::from_raw_os_error(code)),
            Reply::Socket(_) | Reply::Unix(_) | Reply::Malformed => {
                Err(io::Error::other("malformed reply of the kernel"))
            }
        }
    }
}

/// The messages in the result of one read. Skips those of requests other than `sequence`.
pub(super) struct Messages<'a> {
    rest: &'a [u8],
    sequence: u32,
    /// Whether the list changed while the kernel wrote it, according to the messages parsed so far. Such a list may
    /// lack a socket or contain one twice.
    pub(super) is_interrupted: bool,
}

impl<'a> Messages<'a> {
    pub(super) fn new(bytes: &'a [u8], sequence: u32) -> Messages<'a> {
        Messages { rest: bytes, sequence, is_interrupted: false }
    }

    /// Removes the first message of the rest; returns its kind, flags, sequence number and body.
    fn take_message(&mut self) -> Option<(u16, u16, u32, &'a [u8])> {
        let rest = self.rest;
        // A length that does not fit exceeds any read.
        let length = usize::try_from(u32_at(rest, 0)?).unwrap_or(usize::MAX);
        let message = (u16_at(rest, 4)?, u16_at(rest, 6)?, u32_at(rest, 8)?, rest.get(16..length)?);
        self.rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

impl Iterator for Messages<'_> {
    type Item = Reply;

    fn next(&mut self) -> Option<Reply> {
        while !self.rest.is_empty() {
            let Some((kind, flags, sequence, body)) = self.take_message() else {
                self.rest = &[];
                return Some(Reply::Malformed);
            };
            if sequence != self.sequence {
                continue;
            }
            self.is_interrupted |= flags & INTERRUPTED != 0;
            return Some(match kind {
                // The end of a list has a code, too: a list that failed halfway ends with an error.
                DONE => body.get(..4).map_or(Reply::Done, outcome),
                ERROR => outcome(body),
                SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK => match body.first() {
                    None => Reply::Malformed,
                    Some(&(AF_INET | AF_INET6)) => socket(body).map_or(Reply::Malformed, Reply::Socket),
                    Some(&AF_UNIX) => UnixSocket::parse(body)
                        .map_or(Reply::Malformed, |socket| Reply::Unix(Box::new(socket))),
                    Some(_) => continue,
                },
                _ => continue,
            });
        }
        None
    }
}

/// Interprets a code: 0 is success, any other value a negative errno.
fn outcome(code: &[u8]) -> Reply {
    match u32_at(code, 0).map(u32::cast_signed) {
        None => Reply::Malformed,
        Some(0) => Reply::Done,
        Some(code) => Reply::Errno(code.checked_neg().unwrap_or(i32::MAX)),
    }
}

/// Parses `inet_diag_msg` and the attributes behind it.
fn socket(body: &[u8]) -> Option<SocketEntry> {
    let family = *body.first()?;
    let addr = |port: usize, ip: usize| {
        Some(SocketAddr::new(ip_at(body, ip, family)?, u16::from_be_bytes(bytes_at(body, port)?)))
    };
    let mut entry = SocketEntry {
        local: addr(4, 8)?,
        remote: addr(6, 24)?,
        state: TcpState::from_linux(*body.get(1)?),
        timer: Timer::from_linux(*body.get(2)?),
        unanswered: (*body.get(3)?).into(),
        rqueue: u32_at(body, 56)?,
        wqueue: u32_at(body, 60)?,
        uid: u32_at(body, 64)?,
        inode: u32_at(body, 68)?,
        only_v6: false,
        info: None,
        memory: None,
    };
    for attribute in attributes(body.get(72..)?) {
        let (kind, value) = attribute?;
        match kind {
            INFO => entry.info = TcpInfo::parse(value),
            MEMORY => entry.memory = SocketMemory::parse(value),
            ONLY_V6 => entry.only_v6 = value.first() == Some(&1),
            _ => {}
        }
    }
    Some(entry)
}

/// The attributes of a socket: their kinds and values. `None` for one that is not in the documented format, which is the last.
pub(super) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = Option<(u16, &[u8])>> {
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)?);
        let value = rest.get(4..length);
        rest = value.and_then(|_| rest.get(length.next_multiple_of(4)..)).unwrap_or_default();
        Some(value.map(|value| (kind & KIND, value)))
    })
}

/// Parses an address. An IPv4 connection of an IPv6 socket has mapped addresses (`::ffff:127.0.0.1`), converted to
/// IPv4.
fn ip_at(bytes: &[u8], at: usize, family: u8) -> Option<IpAddr> {
    match family {
        AF_INET => Some(IpAddr::from(bytes_at::<4>(bytes, at)?)),
        AF_INET6 => Some(IpAddr::from(bytes_at::<16>(bytes, at)?).to_canonical()),
        _ => None,
    }
}

/// Checks the promises for any bytes: parsing ends, and a count without its FIN does not exceed the count with it.
#[cfg(any(test, fuzzing))]
pub fn check_messages(input: &[u8]) {
    // The first message contains the sequence number; with another one hardly any message would be parsed.
    let messages = Messages::new(input, u32_at(input, 8).unwrap_or(0));
    let mut count = 0;
    for message in messages {
        count += 1;
        match message {
            Reply::Socket(entry) => {
                assert!(
                    entry.unread() <= entry.rqueue.into() && entry.unacknowledged() <= entry.wqueue.into()
                );
                assert_ne!(entry.is_between(entry.local, entry.remote), entry.state == TcpState::Listen);
            }
            Reply::Errno(code) => assert_ne!(code, 0),
            Reply::Unix(socket) => {
                let name = socket.name.map_or(0, |name| name.as_os_str().len());
                assert!(name + 4 * socket.waiting.len() <= input.len());
                assert!(!socket.is_listening || socket.unread == 0);
            }
            Reply::Done | Reply::Malformed => {}
        }
    }
    // Each has a header, except for a truncated one.
    assert!(count <= input.len() / 16 + 1);
}

// linux/socket.h, linux/in.h
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

// linux/netlink.h
pub(super) const REQUEST: u16 = 1;
pub(super) const DUMP: u16 = 0x300;
const INTERRUPTED: u16 = 0x10;
const ERROR: u16 = 2;
const DONE: u16 = 3;

// linux/sock_diag.h, linux/inet_diag.h: bit (kind - 1) requests an attribute.
pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
const TCPDIAG_GETSOCK: u16 = 18;
const INFO: u16 = 2;
const MEMORY: u16 = 7;
const ONLY_V6: u16 = 11;
/// Mask that removes the two flags which netlink may set above an attribute's number.
const KIND: u16 = 0x3fff;
const WITH_INFO: u8 = 1 << (INFO - 1);
const WITH_MEMORY: u8 = 1 << (MEMORY - 1);
