//! A Unix-domain socket, and the requests that find one or list many (`linux/unix_diag.h`).
//!
//! ```text
//! request    nlmsghdr 16 | unix_diag_req 24
//! reply      nlmsghdr 16 | unix_diag_msg 16 | attributes
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::message::{DUMP, REQUEST, SOCK_DIAG_BY_FAMILY, attributes};
use crate::SocketMemory;
use crate::endpoint::number::u32_at;

/// A Unix-domain socket, as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnixSocket {
    /// The inode by which `/proc/PID/fd` identifies it. 0: no process has it open.
    pub inode: u32,
    /// The inode of the other end. 0: the connection waits for accept, or the other end is closed.
    pub peer: u32,
    /// What it transmits.
    pub kind: UnixKind,
    /// Whether it accepts connections.
    pub is_listening: bool,
    /// Its address, as its program gave it; one that begins with a zero byte is an abstract name. The end of a server has that of
    /// its listening socket. A client has none unless it asks for one; neither has an end of a pair.
    pub name: Option<PathBuf>,
    /// The file of that address.
    pub file: Option<SocketFile>,
    /// Bytes that it has not read. 0 for one that listens.
    pub unread: u64,
    /// Kernel memory of what its peer has not read, bookkeeping included.
    pub unread_by_peer: u64,
    /// Its kernel memory.
    pub memory: Option<SocketMemory>,
    /// Whether its peer sends nothing more, because it is closed or shut down.
    pub peer_has_ended: bool,
    /// The user id of its owner; `None` before Linux 5.5.
    pub uid: Option<u32>,
    /// The inodes of the clients that wait for accept, of one that listens.
    pub waiting: Vec<u32>,
}

/// What a Unix-domain socket transmits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnixKind {
    /// A stream of bytes, as TCP does.
    #[default]
    Stream,
    /// Datagrams, as a client of a system logger does.
    Datagrams,
    /// A sequence of packets, over a connection.
    Packets,
}

/// The file of a Unix-domain socket, in the kernel's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketFile {
    /// The lower half of its inode.
    pub inode: u32,
    /// Its device, as the kernel numbers it.
    pub device: u32,
}

/// A request to the kernel: for one socket, or for a list.
#[derive(Debug, Clone, Copy)]
pub(super) enum UnixRequest {
    /// The socket with this inode.
    Exact(u32),
    /// All that are connected.
    Connected,
    /// All that listen.
    Listening,
}

impl UnixRequest {
    pub(super) fn encode(self, sequence: u32) -> [u8; 40] {
        let (flags, states, inode) = match self {
            UnixRequest::Exact(inode) => (REQUEST, u32::MAX, inode),
            UnixRequest::Connected => (REQUEST | DUMP, 1 << ESTABLISHED, 0),
            UnixRequest::Listening => (REQUEST | DUMP, 1 << u32::from(LISTEN), 0),
        };
        let mut bytes = [0; 40];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &40u32.to_ne_bytes());
        put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        put(6, &flags.to_ne_bytes());
        put(8, &sequence.to_ne_bytes());
        put(16, &[AF_UNIX]);
        put(20, &states.to_ne_bytes());
        put(24, &inode.to_ne_bytes());
        put(28, &SHOW_ALL.to_ne_bytes());
        // The cookie is unknown.
        put(32, &[0xff; 8]);
        bytes
    }
}

impl UnixSocket {
    /// Bytes that it has not read, and what its peer has not, the kernel's bookkeeping for these included.
    pub fn queued(&self) -> u64 {
        self.unread + self.unread_by_peer
    }

    /// Whether the kernel reports it as writable, and wakes a blocked writer: as long as the memory of what was sent and not read is at
    /// most a quarter of the limit (`unix_writable` in `net/unix/af_unix.c`). A writer that does not ask first can fill all of it.
    pub fn is_writable(&self) -> Option<bool> {
        self.memory.map(|memory| memory.send < memory.send_limit / 4)
    }

    /// Parses `unix_diag_msg` and the attributes behind it.
    pub(super) fn parse(body: &[u8]) -> Option<UnixSocket> {
        let mut socket = UnixSocket {
            inode: u32_at(body, 4)?,
            kind: match *body.get(1)? {
                DATAGRAM => UnixKind::Datagrams,
                SEQPACKET => UnixKind::Packets,
                _ => UnixKind::Stream,
            },
            is_listening: *body.get(2)? == LISTEN,
            ..UnixSocket::default()
        };
        for attribute in attributes(body.get(16..)?) {
            let (kind, value) = attribute?;
            match kind {
                NAME => socket.name = path(value),
                FILE => {
                    socket.file = Some(SocketFile { inode: u32_at(value, 0)?, device: u32_at(value, 4)? })
                }
                PEER => socket.peer = u32_at(value, 0)?,
                WAITING => {
                    socket.waiting = (0..value.len() / 4).filter_map(|at| u32_at(value, at * 4)).collect()
                }
                // Of one that listens, these are numbers of connections.
                QUEUES if !socket.is_listening => {
                    socket.unread = u32_at(value, 0)?.into();
                    socket.unread_by_peer = u32_at(value, 4)?.into();
                }
                MEMORY => socket.memory = SocketMemory::parse_unix(value),
                SHUTDOWN => socket.peer_has_ended = value.first()? & RECEIVES_NOTHING != 0,
                UID => socket.uid = u32_at(value, 0),
                _ => {}
            }
        }
        Some(socket)
    }
}

impl SocketFile {
    /// The file at a path, if it is a socket. Symbolic links are followed, as connecting does.
    #[cfg(target_os = "linux")]
    pub(crate) fn at(path: &Path) -> Option<SocketFile> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let file = std::fs::metadata(path).ok().filter(|file| file.file_type().is_socket())?;
        let (major, minor) = (libc::major(file.dev()), libc::minor(file.dev()));
        // The kernel has 12 bits for the major number and 20 for the minor one.
        Some(SocketFile { inode: file.ino() as u32, device: major << 20 | minor })
    }

    /// Not visible on this system.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn at(_: &Path) -> Option<SocketFile> {
        None
    }
}

/// The address in `sun_path`: a path ends before its zero byte, and an abstract name begins with one. `None` if it is empty.
fn path(bytes: &[u8]) -> Option<PathBuf> {
    let bytes = if bytes.first() == Some(&0) { bytes } else { bytes.strip_suffix(&[0]).unwrap_or(bytes) };
    #[cfg(unix)]
    let name: OsString = std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec());
    #[cfg(not(unix))]
    let name = OsString::from(String::from_utf8_lossy(bytes).into_owned());
    (!name.is_empty()).then(|| name.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;

// linux/socket.h, linux/net.h
pub(super) const AF_UNIX: u8 = 1;
const DATAGRAM: u8 = 2;
const SEQPACKET: u8 = 5;

// net/tcp_states.h
const ESTABLISHED: u32 = 1;
const LISTEN: u8 = 10;

// linux/unix_diag.h: bit `kind` requests an attribute, except for the last one.
const SHOW_ALL: u32 = 0x7f;
const NAME: u16 = 0;
const FILE: u16 = 1;
const PEER: u16 = 2;
const WAITING: u16 = 3;
const QUEUES: u16 = 4;
const MEMORY: u16 = 5;
const SHUTDOWN: u16 = 6;
const UID: u16 = 7;

// net/sock.h: a bit of a socket's shutdown mask.
const RECEIVES_NOTHING: u8 = 1;
