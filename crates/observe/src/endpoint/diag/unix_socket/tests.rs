//! Parses captured replies, and looks up this process's own Unix-domain sockets.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

use echoctl_testkit::eventually;
use socket2::{Domain, Socket, Type};

use super::*;
use crate::SocketDiag;
use crate::endpoint::captured::bytes;
use crate::endpoint::diag::message::{Messages, Reply};

/// Captured on Linux 6.18, x86_64: the server's end of a connection with 900 unread bytes, which has written 5000 to its client.
const CONNECTED: &str = "\
    8c00000014000000010000001f750000010101000b8224010ad0090000000000120000002f746d702f756e69782f782f730000000c0001000761\
    99000000e00f08000200098224010c00040084030000001900002800050000000000004003000019000000400300000000000000000000000000\
    000000000000000005000600000000000800070000000000";

/// The socket that listens there, with a client that waits for accept.
const LISTENING: &str = "\
    8c00000014000000010000001f75000001010a00088224010bd0090000000000120000002f746d702f756e69782f782f730000000c0001000761\
    99000000e00f080003000a8224010c00040001000000050000002800050000000000004003000000000000400300000000000000000000000000\
    000000000000000005000600000000000800070000000000";

#[test]
#[cfg(target_endian = "little")]
fn captured_replies_are_parsed_completely() {
    let memory =
        |send| Some(SocketMemory { receive_limit: 212_992, send, send_limit: 212_992, ..<_>::default() });
    let connected = UnixSocket {
        inode: 19_169_803,
        peer: 19_169_801,
        name: Some("/tmp/unix/x/s".into()),
        file: Some(SocketFile { inode: 10_051_847, device: 0x0fe0_0000 }),
        unread: 900,
        unread_by_peer: 6400,
        memory: memory(6400),
        uid: Some(0),
        ..UnixSocket::default()
    };
    let listening = UnixSocket {
        inode: 19_169_800,
        peer: 0,
        is_listening: true,
        unread: 0,
        unread_by_peer: 0,
        memory: memory(0),
        waiting: vec![19_169_802],
        ..connected.clone()
    };

    for (hex, expected) in [(CONNECTED, connected), (LISTENING, listening)] {
        let reply = bytes(hex);
        let sequence = u32_at(&reply, 8).unwrap();
        let all: Vec<Reply> = Messages::new(&reply, sequence).collect();
        let [Reply::Unix(socket)] = all.as_slice() else { panic!("not one socket: {all:?}") };
        assert_eq!(**socket, expected);
    }
}

#[test]
fn truncated_and_damaged_replies_never_panic() {
    for complete in [CONNECTED, LISTENING].map(bytes) {
        for end in 16..complete.len() {
            let _ = UnixSocket::parse(&complete[16..end]);
        }
        for at in 0..complete.len() {
            for bit in 0..8 {
                let mut damaged = complete.clone();
                damaged[at] ^= 1 << bit;
                crate::fuzzed::check_messages(&damaged);
            }
        }
    }
}

#[test]
fn a_request_has_the_format_of_the_kernels_headers() {
    let exact = UnixRequest::Exact(0x1234_5678).encode(9);

    assert_eq!(exact[0..4], 40u32.to_ne_bytes());
    assert_eq!(exact[16..20], [1, 0, 0, 0]);
    assert_eq!(exact[24..28], 0x1234_5678u32.to_ne_bytes());
    assert_eq!(exact[32..40], [0xff; 8]);
}

#[test]
fn both_ends_of_a_connection_name_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    let its_file = SocketFile::at(&path);
    assert!(its_file.is_some());
    let listening = find(&listener);
    assert!(listening.is_listening && listening.waiting == [inode(&client)], "{listening:?}");
    assert_eq!((listening.name, listening.file), (Some(path.clone()), its_file));
    assert_eq!(listening.uid, crate::own_uid());
    let waiting = find(&client);
    assert_eq!((waiting.peer, waiting.name), (0, None), "it is not accepted yet");

    let (mut server, _) = listener.accept().unwrap();
    client.write_all(&[1; 1000]).unwrap();
    server.read_exact(&mut [0; 300]).unwrap();
    server.write_all(&[1; 5000]).unwrap();

    let (one, other) = (find(&client), find(&server));
    assert_eq!((one.peer, other.peer), (inode(&server), inode(&client)));
    assert_eq!((one.name, one.file), (None, None));
    assert_eq!((other.name, other.file), (Some(path), its_file));
    assert_eq!((one.unread, other.unread), (5000, 700));
    assert!(one.unread_by_peer >= 700 && other.unread_by_peer >= 5000);
    assert!(other.memory.unwrap().total() >= 5000 && !one.peer_has_ended);
    let all = SocketDiag::open().unwrap().unix_sockets().unwrap();
    assert!(all.iter().any(|socket| socket.inode == inode(&client)));
    server.shutdown(Shutdown::Write).unwrap();
    assert!(find(&client).peer_has_ended);
    let closed = inode(&server);
    drop(server);
    // A child of another test has it open until it runs its program.
    eventually("it is closed", || SocketDiag::open().unwrap().find_unix(closed).unwrap().is_none());
    assert_eq!(find(&client).peer, 0);
}

#[test]
fn an_abstract_name_begins_with_a_zero_byte() {
    let name = format!("echoctl-observe-{}", std::process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();

    let all = SocketDiag::open().unwrap().unix_listening().unwrap();

    let found = all.iter().find(|socket| socket.inode == inode(&listener)).unwrap();
    assert_eq!((found.name.clone(), found.file), (Some(format!("\0{name}").into()), None));
}

#[test]
fn streams_packets_and_datagrams_are_told_apart() {
    let (datagrams, _peer) = UnixDatagram::pair().unwrap();
    let (stream, _peer) = UnixStream::pair().unwrap();
    let (packets, _peer) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();

    assert_eq!(find(&datagrams).kind, UnixKind::Datagrams);
    assert_eq!(find(&stream).kind, UnixKind::Stream);
    assert_eq!(find(&packets).kind, UnixKind::Packets);
}

#[test]
fn a_socket_is_writable_until_its_peer_has_too_much_to_read() {
    let (mut writer, mut reader) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    assert_eq!(find(&writer).is_writable(), Some(true));

    let mut written = 0;
    // As a server does that asks the kernel before each write.
    while find(&writer).is_writable() == Some(true) {
        written += writer.write(&[0; 4096]).unwrap();
    }
    let memory = find(&writer).memory.unwrap();
    assert!(memory.send < memory.send_limit / 2, "a writer that does not ask goes on: {memory:?}");
    assert_eq!(find(&reader).unread, written as u64);
    reader.read_exact(&mut vec![0; written]).unwrap();
    assert_eq!(find(&writer).is_writable(), Some(true));
}

/// An own socket, as the kernel describes it.
fn find(socket: &impl AsRawFd) -> UnixSocket {
    SocketDiag::open().unwrap().find_unix(inode(socket)).unwrap().unwrap()
}

/// The inode of an open socket.
fn inode(socket: &impl AsRawFd) -> u32 {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
    let inode = link.to_str().unwrap().trim_start_matches("socket:[").trim_end_matches(']');
    inode.parse().unwrap()
}
