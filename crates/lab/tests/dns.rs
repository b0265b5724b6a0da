//! Promise: one reply per datagram over UDP, and in-order replies to length-prefixed queries over TCP, however the stream is split.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use echoctl_lab::dns::Answerer;
use tokio::sync::oneshot;

/// A DNS server on a thread of its own, until the sender is dropped.
fn answerer() -> (SocketAddr, oneshot::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answerer = runtime.block_on(Answerer::bind(SocketAddr::from(([127, 0, 0, 1], 0)))).expect("it binds");
    let addr = answerer.local_addr();
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || runtime.block_on(answerer.run(stopped, |_| {})));
    (addr, stop)
}

/// A query for the address of `small.test`.
fn query(id: u16) -> Vec<u8> {
    let header = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    [&header[..], b"\x05small\x04test\0\0\x01\0\x01"].concat()
}

fn length_prefixed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn connect(addr: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(addr).expect("it listens");
    connection.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    connection.set_nodelay(true).expect("a socket");
    connection
}

/// The id and the number of answers of the next message of a stream.
fn next_reply(connection: &mut TcpStream) -> (u16, u16) {
    let mut length = [0; 2];
    connection.read_exact(&mut length).expect("a length");
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    connection.read_exact(&mut message).expect("a message");
    (u16::from_be_bytes([message[0], message[1]]), u16::from_be_bytes([message[6], message[7]]))
}

#[test]
fn queries_are_answered_in_order_at_every_split() {
    let (addr, _stop) = answerer();
    let stream: Vec<u8> = (1..=3).flat_map(|id| length_prefixed(&query(id))).collect();

    for split in 0..stream.len() {
        let mut connection = connect(addr);
        connection.write_all(&stream[..split]).expect("it reads");
        connection.write_all(&stream[split..]).expect("it reads");

        let replies: Vec<_> = (0..3).map(|_| next_reply(&mut connection)).collect();
        assert_eq!(replies, [(1, 1), (2, 1), (3, 1)], "split at {split}");
    }
}

#[test]
fn a_datagram_gets_one_reply_and_junk_gets_none() {
    let (addr, _stop) = answerer();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");

    for junk in [&b"junk"[..], &[0xff; 12], b""] {
        socket.send_to(junk, addr).expect("it is sent");
    }
    socket.send_to(&query(7), addr).expect("it is sent");

    let mut reply = [0; 512];
    let length = socket.recv(&mut reply).expect("a reply");
    assert_eq!(&reply[..2], [0, 7], "the junk before it has no reply");
    assert!(length > query(7).len());
}

#[test]
fn a_stream_with_junk_is_closed_and_others_are_served() {
    let (addr, _stop) = answerer();
    let mut bad = connect(addr);
    bad.write_all(&length_prefixed(b"no message")).expect("it reads");

    let is_closed = match bad.read(&mut [0; 1]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    };
    assert!(is_closed, "it was answered, or left open");
    let mut good = connect(addr);
    good.write_all(&length_prefixed(&query(9))).expect("it reads");
    assert_eq!(next_reply(&mut good), (9, 1));
}
