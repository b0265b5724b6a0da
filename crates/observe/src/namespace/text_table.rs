//! The TCP sockets of a network namespace as text: `/proc/PID/net/tcp` and `tcp6`.
//!
//! ```text
//!   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
//!    0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 21574 …
//! ```
//!
//! Addresses are words of 32 bits in network order, printed as numbers of this machine. A file stays bound to its namespace while
//! it is open, whatever becomes of the process. It lists all sockets, so that one walk is used for many look-ups.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::net::{IpAddr, SocketAddr};

use crate::{SocketEntry, TcpState, Timer};

/// The files of a namespace, and the sockets that they listed last.
#[derive(Debug)]
pub(super) struct TextTable {
    /// `tcp` and `tcp6`.
    files: Vec<File>,
    /// `unix`.
    unix: Option<File>,
    listed: Option<Listed>,
}

#[derive(Debug)]
struct Listed {
    sockets: Vec<SocketEntry>,
    /// The index of each socket that is not listening, by its addresses.
    connections: HashMap<(SocketAddr, SocketAddr), usize>,
    /// Whether it was listed again because a connection was missing.
    is_second: bool,
}

impl TextTable {
    /// The table of the namespace of a process; `None` if it is not visible.
    pub(super) fn of(pid: u32) -> Option<TextTable> {
        let open = |name: &str| File::open(format!("/proc/{pid}/net/{name}"));
        let mut files = vec![open("tcp").ok()?];
        // A kernel may have no IPv6.
        files.extend(open("tcp6").ok());
        Some(TextTable { files, unix: open("unix").ok(), listed: None })
    }

    /// From now on what is listed is outdated.
    pub(super) fn renew(&mut self) {
        self.listed = None;
    }

    /// All sockets.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub(super) fn sockets(&mut self) -> io::Result<&[SocketEntry]> {
        Ok(&self.listed()?.sockets)
    }

    /// The connection with these addresses, if there is one.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub(super) fn find(&mut self, local: SocketAddr, remote: SocketAddr) -> io::Result<Option<SocketEntry>> {
        let addrs = (canonical(local), canonical(remote));
        let found = self.listed()?.connection(addrs);
        if found.is_some() || self.listed()?.is_second {
            return Ok(found);
        }
        // The kernel writes the list in pieces, and a socket that is closed in between may hide another one.
        let again = Listed { is_second: true, ..self.list()? };
        Ok(self.listed.insert(again).connection(addrs))
    }

    /// The inodes of the Unix-domain sockets that are connected and have no name, in no particular order.
    pub(super) fn unix_clients(&mut self) -> Vec<u32> {
        let mut inodes = Vec::new();
        if let Some(file) = &mut self.unix {
            let each = |line: &[u8]| inodes.extend(unix_client(line));
            // What cannot be read is not visible.
            let _ = file.rewind().and_then(|()| each_line(BufReader::new(file.take(MAX_SIZE)), each));
        }
        inodes
    }

    fn listed(&mut self) -> io::Result<&Listed> {
        let listed = match self.listed.take() {
            Some(listed) => listed,
            None => self.list()?,
        };
        Ok(self.listed.insert(listed))
    }

    fn list(&mut self) -> io::Result<Listed> {
        let mut sockets = Vec::new();
        for file in &mut self.files {
            file.rewind()?;
            each_line(BufReader::new(file.take(MAX_SIZE)), |line| sockets.extend(parse(line)))?;
        }
        let is_connection = |socket: &&SocketEntry| socket.state != TcpState::Listen;
        let indexed = sockets.iter().enumerate().filter(|(_, socket)| is_connection(socket));
        let connections = indexed.map(|(index, socket)| ((socket.local, socket.remote), index)).collect();
        Ok(Listed { sockets, connections, is_second: false })
    }
}

impl Listed {
    fn connection(&self, addrs: (SocketAddr, SocketAddr)) -> Option<SocketEntry> {
        self.sockets.get(*self.connections.get(&addrs)?).copied()
    }
}

/// As the table shows it: an IPv4 address of an IPv6 socket is an IPv4 address, and no address has a scope.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// Passes on the lines of a text.
fn each_line(mut text: impl BufRead, mut line_is: impl FnMut(&[u8])) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if text.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        line_is(&line);
    }
}

/// Parses one line of `tcp` or `tcp6`; `None` for any other, such as the title.
fn parse(line: &[u8]) -> Option<SocketEntry> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let number = words.next()?.strip_suffix(':')?;
    number.parse::<u32>().ok()?;
    let (local, remote) = (addr(words.next()?)?, addr(words.next()?)?);
    let state = TcpState::from_linux(u8::from_str_radix(words.next()?, 16).ok()?);
    let (wqueue, rqueue) = words.next()?.split_once(':')?;
    let (timer, _) = words.next()?.split_once(':')?;
    let timer = Timer::from_linux(u8::from_str_radix(timer, 16).ok()?);
    let retransmits = hex(words.next()?)?;
    let uid = words.next()?.parse().ok()?;
    let probes: u32 = words.next()?.parse().ok()?;
    Some(SocketEntry {
        local,
        remote,
        state,
        rqueue: hex(rqueue)?,
        wqueue: hex(wqueue)?,
        uid,
        inode: words.next()?.parse().ok()?,
        timer,
        unanswered: retransmits.max(probes),
        only_v6: false,
        info: None,
        memory: None,
    })
}

/// The inode in a line of `unix` (`Num RefCount Protocol Flags Type St Inode Path`), if it is that of a connected socket without a
/// name that transmits a stream or packets.
fn unix_client(line: &[u8]) -> Option<u32> {
    // A path follows the inode.
    let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let mut word = || std::str::from_utf8(words.next()?).ok();
    word()?.strip_suffix(':')?;
    let (_references, _protocol, _flags) = (word()?, word()?, word()?);
    let (kind, state, inode) = (hex(word()?)?, hex(word()?)?, word()?.parse().ok()?);
    let transmits = matches!(kind, STREAM | SEQUENCE);
    (transmits && state == CONNECTED && word().is_none()).then_some(inode)
}

/// Parses `0100007F:0050`, or an address of four such words.
fn addr(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| Some(hex(ip.get(at..at + 8)?)?.to_ne_bytes());
    let ip = match ip.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let octets: [u8; 16] = words.as_flattened().try_into().ok()?;
            IpAddr::from(octets).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

/// Checks the promises for any text: each line is at most one socket, and a socket has no counters.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(text: &[u8]) {
    let mut sockets = Vec::new();
    let each = |line: &[u8]| {
        assert!(unix_client(line).is_none() || parse(line).is_none(), "a line has one format");
        sockets.extend(parse(line));
    };
    each_line(text, each).expect("memory can be read");
    // The shortest line of a socket has 57 bytes.
    assert!(sockets.len() <= text.len() / 57);
    for socket in sockets {
        assert!(socket.unread() <= socket.rqueue.into() && socket.unacknowledged() <= socket.wqueue.into());
        assert!(socket.info.is_none() && socket.memory.is_none());
    }
}

// linux/net.h: kinds of sockets, and the state SS_CONNECTED.
const STREAM: u32 = 1;
const SEQUENCE: u32 = 5;
const CONNECTED: u32 = 3;

/// Bytes of a file that are read at most: half a million sockets.
const MAX_SIZE: u64 = 64 << 20;

/// Bytes of a line at most: those of IPv6 have 170.
const MAX_LINE: u64 = 1024;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use echoctl_testkit::eventually;

    use super::*;

    // Captured on Linux 6.18, little-endian: a server on [::]:7118 that does not read, with a client over IPv4.
    #[cfg(target_endian = "little")]
    const TCP: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 00000000:07E8 00000000:0000 0A 00000000:00000003 00:00000000 00000000     0        0 1587 1 00 100 0 0 10 0\n\
        \x20  1: 0100007F:A0B2 0100007F:1BCE 01 00280000:00000000 04:0000001E 00000000  1000        2 9911 3 00 20 4 30 10 -1\n";
    #[cfg(target_endian = "little")]
    const TCP6: &[u8] = b"   0: 0000000000000000FFFF00000100007F:1BCE 0000000000000000FFFF00000100007F:A0B2 08 00000000:00100001 \
        00:00000000 00000000  1000        0 9912 1 00 20 4 30 10 -1\n\
        \x20  1: 00000000000000000000000001000000:1BCE 00000000000000000000000000000000:0000 0A 00000000:00000000 \
        00:00000000 00000000     0        0 9913 1 00 100 0 0 10 0\n";

    fn sockets(text: &[u8]) -> Vec<SocketEntry> {
        let mut sockets = Vec::new();
        each_line(text, |line| sockets.extend(parse(line))).unwrap();
        sockets
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_is_a_socket_with_its_queues() {
        let found = sockets(TCP);

        assert_eq!(found.len(), 2, "the first line is the title");
        assert_eq!((found[0].local, found[0].state), ("0.0.0.0:2024".parse().unwrap(), TcpState::Listen));
        assert_eq!((found[0].uid, found[0].inode, found[0].rqueue), (0, 1587, 3));
        assert_eq!(found[1].remote, "127.0.0.1:7118".parse().unwrap());
        assert_eq!((found[1].unacknowledged(), found[1].unread()), (0x28_0000, 0));
        assert_eq!((found[1].timer, found[1].uid), (Some(Timer::ZeroWindowProbe), 1000));
        assert_eq!((found[0].unanswered, found[1].unanswered), (0, 2), "probes");
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn an_ipv4_connection_of_an_ipv6_socket_is_one_of_ipv4() {
        let found = sockets(TCP6);

        assert_eq!(found[0].local, "127.0.0.1:7118".parse().unwrap());
        assert_eq!((found[0].unread(), found[0].rqueue), (0x10_0000, 0x10_0001), "the peer has closed");
        assert_eq!(found[1].local, "[::1]:7118".parse().unwrap());
    }

    #[test]
    fn a_unix_client_has_a_connection_and_no_name() {
        let line = |kind, state, path| {
            format!("00000000a0c4d2bd: 00000003 00000000 00000000 {kind} {state} 21574{path}\n")
        };
        let client = |line: String| unix_client(line.as_bytes());

        assert_eq!(client(line("0001", "03", "")), Some(21574));
        assert_eq!(client(line("0005", "03", "")), Some(21574));
        for (kind, state, path) in
            [("0002", "03", ""), ("0001", "01", ""), ("0001", "03", " /run/x"), ("0001", "03", " \u{fffd}")]
        {
            assert_eq!(client(line(kind, state, path)), None, "{kind} {state}{path}");
        }
        assert_eq!(unix_client(b"Num       RefCount Protocol Flags    Type St Inode Path\n"), None);
    }

    #[test]
    fn a_line_in_another_format_is_skipped() {
        for line in
            ["", "\n", "sl", "0:", "0: 0:0 0:0 01 0:0", "x: 0100007F:0050 0100007F:0050 01 0:0 0:0 0 0 0 1"]
        {
            assert_eq!(sockets(line.as_bytes()), [], "{line}");
        }
        let long = [b'0'; 100_000];
        assert_eq!(sockets(&long), []);
    }

    #[test]
    fn a_connection_is_found_as_it_opens_and_closes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut table = TextTable::of(std::process::id()).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, remote) = listener.accept().unwrap();
        let local = server.local_addr().unwrap();
        client.write_all(&[7; 1000]).unwrap();

        eventually("the bytes arrive", || {
            table.renew();
            table.find(local, remote).unwrap().is_some_and(|found| found.unread() == 1000)
        });
        let found = table.find(local, remote).unwrap().unwrap();
        assert_eq!((found.state, found.info), (TcpState::Established, None));
        let is_listed = |socket: &SocketEntry| socket.covers(local);
        assert!(table.sockets().unwrap().iter().any(is_listed));

        drop((client, server));
        eventually("it is closed", || {
            table.renew();
            table.find(local, remote).unwrap().is_none_or(|found| found.state != TcpState::Established)
        });
    }
}
