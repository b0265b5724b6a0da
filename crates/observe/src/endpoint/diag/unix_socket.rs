//! A connected Unix-domain socket, and the request that lists them all (`linux/unix_diag.h`).
//!
//! ```text
//! request    nlmsghdr 16 | unix_diag_req 24
//! reply      nlmsghdr 16 | unix_diag_msg 16 | attributes
//! ```

use super::message::{DUMP, REQUEST, SOCK_DIAG_BY_FAMILY, attributes};
use crate::endpoint::number::u32_at;

/// One end of a connection over a Unix-domain socket, as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnixSocket {
    /// The inode by which `/proc/PID/fd` identifies it. 0: no process has it open, or not yet.
    pub inode: u32,
    /// The inode of the other end. 0: the connection waits for accept.
    pub peer: u32,
    /// Whether it transmits datagrams, as a client of a system logger does, and not a stream or a sequence of packets.
    pub is_datagram: bool,
    /// Whether it has an address, as the end of the server has, which takes it from its listening socket. A client has none
    /// unless it asks for one; neither has an end of a pair.
    pub is_named: bool,
    /// Bytes that it has not read, and bytes that its peer has not, the kernel's bookkeeping for these included.
    pub queued: u64,
}

impl UnixSocket {
    /// A request for all that are connected.
    pub(super) fn list_request(sequence: u32) -> [u8; 40] {
        let mut bytes = [0; 40];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &40u32.to_ne_bytes());
        put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        put(6, &(REQUEST | DUMP).to_ne_bytes());
        put(8, &sequence.to_ne_bytes());
        put(16, &[AF_UNIX]);
        put(20, &(1u32 << ESTABLISHED).to_ne_bytes());
        put(28, &(SHOW_NAME | SHOW_PEER | SHOW_QUEUES).to_ne_bytes());
        // The cookie is unknown.
        put(32, &[0xff; 8]);
        bytes
    }

    /// Parses `unix_diag_msg` and the attributes behind it.
    pub(super) fn parse(body: &[u8]) -> Option<UnixSocket> {
        let mut socket = UnixSocket {
            inode: u32_at(body, 4)?,
            peer: 0,
            is_datagram: *body.get(1)? == DATAGRAM,
            is_named: false,
            queued: 0,
        };
        for attribute in attributes(body.get(16..)?) {
            let (kind, value) = attribute?;
            match kind {
                NAME => socket.is_named = true,
                PEER => socket.peer = u32_at(value, 0)?,
                QUEUES => socket.queued = u64::from(u32_at(value, 0)?) + u64::from(u32_at(value, 4)?),
                _ => {}
            }
        }
        Some(socket)
    }
}

// linux/socket.h, linux/net.h
pub(super) const AF_UNIX: u8 = 1;

const DATAGRAM: u8 = 2;

// net/tcp_states.h
const ESTABLISHED: u32 = 1;

// linux/unix_diag.h
const SHOW_NAME: u32 = 1;
const SHOW_PEER: u32 = 4;
const SHOW_QUEUES: u32 = 0x10;
const NAME: u16 = 0;
const PEER: u16 = 2;
const QUEUES: u16 = 4;
