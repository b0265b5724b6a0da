//! The listening socket: made with every option that must be set before it listens.

use std::io;
use std::net::TcpListener;

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Config;
use crate::error::Error;
use crate::event::Listening;

/// Listens as the settings say, without blocking.
pub(crate) fn listen(config: &Config) -> Result<TcpListener, Error> {
    let addr = config.addr;
    bound(config).map(TcpListener::from).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse { addr },
        _ => Error::Listen { addr, source },
    })
}

/// Where it listens, and the buffers that each of its connections will have.
pub(crate) fn describe(listener: &TcpListener, config: &Config) -> io::Result<Listening> {
    let socket = socket2::SockRef::from(listener);
    Ok(Listening {
        addr: listener.local_addr()?,
        send_buffer: config.send_buffer.and_then(|_| socket.send_buffer_size().ok()),
        receive_buffer: config.receive_buffer.and_then(|_| socket.recv_buffer_size().ok()),
    })
}

fn bound(config: &Config) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(config.addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Unix this lets a server listen again while connections of its predecessor are in TIME-WAIT. On Windows it would
    // let it steal the port of a server that runs.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    // Connections inherit these from the socket that accepts them. The receive buffer must be set here: the window is
    // offered in the handshake, before there is any connection to set it on.
    if let Some(bytes) = config.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = config.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_tcp_nodelay(true)?;
    // A byte sent as urgent is one of the stream: left out of it, its frame would not come back.
    socket.set_out_of_band_inline(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&config.addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Connections that the kernel completes before they are accepted. It takes the smaller of this and `somaxconn` (4096 on
/// Linux); a burst of a thousand clients should not have to repeat its SYN.
const BACKLOG: i32 = 4096;
