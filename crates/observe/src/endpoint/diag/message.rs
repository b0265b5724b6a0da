//! Encodes requests and parses replies of sock_diag (`linux/netlink.h` and `linux/inet_diag.h`).
//!
//! ```text
//! request    nlmsghdr 16 | inet_diag_req_v2 56
//! reply      nlmsghdr 16 | inet_diag_msg    72 | attributes: length 2, kind 2, value, padded to 4 …
//! ```
//!
//! Both are small and have not changed since Linux 3.3, so this file replaces three crates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{SocketEntry, Timer};
use crate::{SocketMemory, TcpInfo, TcpState};

/// A request to the kernel.
#[derive(Debug, Clone, Copy)]
pub(super) enum Request {
    /// The socket with these addresses.
    Exact { local: SocketAddr, remote: SocketAddr },
    /// All sockets of a family (`AF_INET`, `AF_INET6`) in any of `states` (one bit each), with this local port or any
    /// if 0.
    All { family: i32, states: u32, port: u16 },
}

impl Request {
    /// Encodes the request in 72 bytes.
    pub(super) fn encode(&self, sequence: u32) -> [u8; 72] {
        let (family, states, flags) = match *self {
            Request::Exact { local, .. } if local.is_ipv4() => (libc::AF_INET, u32::MAX, REQUEST),
            Request::Exact { .. } => (libc::AF_INET6, u32::MAX, REQUEST),
            Request::All { family, states, .. } => (family, states, REQUEST | DUMP),
        };
        let mut bytes = [0; 72];
        bytes[0..4].copy_from_slice(&72u32.to_ne_bytes());
        bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        bytes[16] = family as u8;
        bytes[17] = libc::IPPROTO_TCP as u8;
        bytes[18] = WITH_INFO | WITH_MEMORY;
        bytes[20..24].copy_from_slice(&states.to_ne_bytes());
        match *self {
            Request::Exact { local, remote } => {
                bytes[24..26].copy_from_slice(&local.port().to_be_bytes());
                bytes[26..28].copy_from_slice(&remote.port().to_be_bytes());
                write_ip(&mut bytes[28..44], local.ip());
                write_ip(&mut bytes[44..60], remote.ip());
                // A link-local address needs the number of an interface; otherwise this is 0.
                if let SocketAddr::V6(remote) = remote {
                    bytes[60..64].copy_from_slice(&remote.scope_id().to_ne_bytes());
                }
            }
            Request::All { port, .. } => bytes[24..26].copy_from_slice(&port.to_be_bytes()),
        }
        // The cookie is unknown, so the socket is identified only by its addresses.
        bytes[64..72].fill(0xff);
        bytes
    }
}

/// One message of the kernel.
#[derive(Debug)]
pub(super) enum Reply {
    /// A socket.
    Socket(SocketEntry),
    /// The end of a list.
    Done,
    /// An error, as a positive errno.
    Errno(i32),
    /// Not in the documented format.
    Malformed,
}

/// The messages in the result of one read. Skips those of requests other than `sequence`.
pub(super) struct Messages<'a> {
    rest: &'a [u8],
    sequence: u32,
    interrupted: bool,
}

impl<'a> Messages<'a> {
    pub(super) fn new(bytes: &'a [u8], sequence: u32) -> Messages<'a> {
        Messages { rest: bytes, sequence, interrupted: false }
    }

    /// Whether the list changed while the kernel wrote it, according to the messages parsed so far. Such a list may
    /// lack a socket or contain one twice.
    pub(super) fn was_interrupted(&self) -> bool {
        self.interrupted
    }
}

impl Iterator for Messages<'_> {
    type Item = Reply;

    fn next(&mut self) -> Option<Reply> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let header =
                (u32_at(self.rest, 0), u16_at(self.rest, 4), u16_at(self.rest, 6), u32_at(self.rest, 8));
            let (Some(length), Some(kind), Some(flags), Some(sequence)) = header else {
                self.rest = &[];
                return Some(Reply::Malformed);
            };
            // A length that does not fit exceeds any read.
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let Some(body) = self.rest.get(16..length) else {
                self.rest = &[];
                return Some(Reply::Malformed);
            };
            self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            if sequence != self.sequence {
                continue;
            }
            self.interrupted |= flags & INTERRUPTED != 0;
            return Some(match kind {
                // The end of a list has a code, too: a list that failed halfway ends with an error.
                DONE => body.get(..4).map_or(Reply::Done, outcome),
                ERROR => outcome(body),
                SOCK_DIAG_BY_FAMILY if !is_tcp_family(body) => continue,
                SOCK_DIAG_BY_FAMILY => socket(body).map_or(Reply::Malformed, Reply::Socket),
                _ => continue,
            });
        }
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

/// Whether a socket is of a requested family. An empty message counts as one, so that it is reported as malformed.
fn is_tcp_family(body: &[u8]) -> bool {
    body.first().is_none_or(|&family| matches!(i32::from(family), libc::AF_INET | libc::AF_INET6))
}

/// Parses `inet_diag_msg` and the attributes behind it.
fn socket(body: &[u8]) -> Option<SocketEntry> {
    let family = i32::from(*body.first()?);
    let state = TcpState::from_linux(*body.get(1)?);
    let addr = |port: usize, ip: usize| {
        let port = u16::from_be_bytes(body.get(port..port + 2)?.try_into().ok()?);
        Some(SocketAddr::new(read_ip(body.get(ip..ip + 16)?, family)?, port))
    };
    let mut entry = SocketEntry {
        local: addr(4, 8)?,
        remote: addr(6, 24)?,
        state,
        timer: match *body.get(2)? {
            1 => Some(Timer::Retransmit),
            2 => Some(Timer::KeepAlive),
            3 => Some(Timer::TimeWait),
            4 => Some(Timer::ZeroWindowProbe),
            _ => None,
        },
        rqueue: u32_at(body, 56)?,
        wqueue: u32_at(body, 60)?,
        uid: u32_at(body, 64)?,
        inode: u32_at(body, 68)?,
        only_v6: false,
        info: None,
        memory: None,
    };
    let mut rest = body.get(72..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let value = rest.get(4..length)?;
        match kind & KIND {
            INFO => entry.info = TcpInfo::parse(value),
            MEMORY => entry.memory = SocketMemory::parse(value),
            ONLY_V6 => entry.only_v6 = value.first() == Some(&1),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(entry)
}

fn write_ip(into: &mut [u8], ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => into[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => into.copy_from_slice(&ip.octets()),
    }
}

/// Parses an address. An IPv4 connection of an IPv6 socket has mapped addresses (`::ffff:127.0.0.1`), converted to
/// IPv4.
fn read_ip(bytes: &[u8], family: i32) -> Option<IpAddr> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    match family {
        libc::AF_INET => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        libc::AF_INET6 => Some(IpAddr::from(Ipv6Addr::from(bytes)).to_canonical()),
        _ => None,
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Checks the promises for any bytes: parsing ends, and a count without its FIN does not exceed the count with it.
#[cfg(any(test, fuzzing))]
pub fn check_messages(input: &[u8]) {
    // The first message contains the sequence number; with another one hardly any message would be parsed.
    let mut messages = Messages::new(input, u32_at(input, 8).unwrap_or(0));
    let mut count = 0;
    for message in messages.by_ref() {
        count += 1;
        match message {
            Reply::Socket(entry) => {
                assert!(
                    entry.unread() <= entry.rqueue.into() && entry.unacknowledged() <= entry.wqueue.into()
                );
                assert_ne!(entry.is_between(entry.local, entry.remote), entry.state == TcpState::Listen);
            }
            Reply::Errno(code) => assert_ne!(code, 0),
            Reply::Done | Reply::Malformed => {}
        }
    }
    // Each has a header, except for a truncated one.
    assert!(count <= input.len() / 16 + 1);
    let _ = messages.was_interrupted();
}

// linux/netlink.h
const REQUEST: u16 = 1;
const DUMP: u16 = 0x300;
const INTERRUPTED: u16 = 0x10;
const ERROR: u16 = 2;
const DONE: u16 = 3;

// linux/sock_diag.h, linux/inet_diag.h: bit (kind - 1) requests an attribute.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const INFO: u16 = 2;
const MEMORY: u16 = 7;
const ONLY_V6: u16 = 11;
/// Mask that removes the two flags which netlink may set above an attribute's number.
const KIND: u16 = 0x3fff;
const WITH_INFO: u8 = 1 << (INFO - 1);
const WITH_MEMORY: u8 = 1 << (MEMORY - 1);
