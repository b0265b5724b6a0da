//! The listening socket, with every option that must be set before it listens.

use std::io;
use std::net::TcpListener;

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::Config;
use crate::error::Error;
use crate::event::Listening;

/// Listens according to the settings, in non-blocking mode. Returns also where, and the buffers that connections will have.
pub(crate) fn listen(config: &Config) -> Result<(TcpListener, Listening), Error> {
    let addr = config.addr;
    let listening = || {
        let socket = bound(config)?;
        let listening = Listening {
            send_buffer: config.send_buffer.and_then(|_| socket.send_buffer_size().ok()),
            receive_buffer: config.receive_buffer.and_then(|_| socket.recv_buffer_size().ok()),
            addr: socket.local_addr()?.as_socket().unwrap_or(addr),
        };
        Ok((socket.into(), listening))
    };
    listening().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => Error::AddressInUse { addr },
        _ => Error::Listen { addr, source },
    })
}

fn bound(config: &Config) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(config.addr), Type::STREAM, Some(Protocol::TCP))?;
    // On Unix this lets a server listen while connections of its predecessor are in TIME-WAIT. On Windows it would let it take
    // over the port of a running server.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    // Connections inherit these from the listening socket. The receive buffer must be set here, because the receive window is
    // advertised in the handshake, before there is a connection to set it on.
    if let Some(bytes) = config.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = config.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_tcp_nodelay(true)?;
    // A byte sent as urgent stays part of the stream. Otherwise its frame would be incomplete.
    socket.set_out_of_band_inline(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&config.addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Number of connections that the kernel completes before they are accepted. It uses the smaller of this and `somaxconn` (4096 on
/// Linux). A burst of a thousand clients should not have to retransmit its SYNs.
const BACKLOG: i32 = 4096;
