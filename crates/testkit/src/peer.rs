//! Peers on the loopback interface, with a port that the kernel chooses: servers with a closure for each connection, connected pairs,
//! and an address where nothing listens.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use socket2::{Domain, Socket, Type};

/// A server that calls `serve` for each connection, on a thread, until the test ends.
pub fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let (listener, addr) = listener();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    addr
}

/// Echoes all bytes until the peer closes. It reads only after the previous bytes are written.
pub fn echo(mut stream: TcpStream) {
    let mut chunk = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        if stream.write_all(&chunk[..length]).is_err() {
            return;
        }
    }
}

/// Keeps the connection open until the test ends, and reads nothing.
pub fn never_reads(stream: TcpStream) {
    std::mem::forget(stream);
}

/// The two ends of a connection: the side that connected, and the side that accepted.
pub fn pair() -> (TcpStream, TcpStream) {
    let (listener, addr) = listener();
    let client = TcpStream::connect(addr).expect("the listener accepts");
    (client, listener.accept().expect("a connection waits").0)
}

/// An address where nothing listens, and the socket that reserves it.
pub fn closed_addr() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let addr = socket.local_addr().ok().and_then(|addr| addr.as_socket());
    (socket, addr.expect("a bound socket has an address"))
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound socket has an address");
    (listener, addr)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn an_echo_returns_what_was_sent() {
        let mut stream = TcpStream::connect(server(echo)).unwrap();
        let mut reply = [0; 5];

        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut reply).unwrap();

        assert_eq!(&reply, b"hello");
    }

    #[test]
    fn what_is_never_read_fills_the_kernels_queues() {
        let mut stream = TcpStream::connect(server(never_reads)).unwrap();
        stream.set_nonblocking(true).unwrap();

        crate::eventually("the send queue is full", || match stream.write(&[0; 1 << 16]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            other => Err(other),
        });
    }

    #[test]
    fn a_closed_address_refuses() {
        let (_reserved, addr) = closed_addr();

        assert_eq!(TcpStream::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
