//! The socket of a connection, with what the kernel reports about both ends of it. Its bytes are those on the wire.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use echoctl_observe::{Connection, OwnSocket, ServerClose, SocketTables};
use echoctl_record::DisconnectKind;
use socket2::{Domain, Socket, Type};

use crate::Error;
use crate::sys;

/// A socket that never blocks, and the counters of its bytes.
#[derive(Debug)]
pub(super) struct Wire {
    socket: TcpStream,
    /// What both kernels reported last.
    kernel: Connection,
    is_connected: bool,
    /// Bytes that the kernel accepted from us, and bytes that we have read.
    produced: u64,
    consumed: u64,
    closed: Option<DisconnectKind>,
}

impl Wire {
    /// Begins to connect and does not wait. `receive_buffer` fixes the size of our receive queue (SO_RCVBUF).
    pub(super) fn begin(addr: SocketAddr, receive_buffer: Option<usize>) -> Result<Wire, Error> {
        let failed = |source| Error::Connect { addr, source };
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).map_err(failed)?;
        if let Some(bytes) = receive_buffer {
            // Before the handshake, which announces the window. The option is a signed 32-bit number.
            socket.set_recv_buffer_size(bytes.min(i32::MAX as usize)).map_err(failed)?;
        }
        socket.set_nonblocking(true).map_err(failed)?;
        // A request smaller than a segment is sent immediately.
        socket.set_tcp_nodelay(true).map_err(failed)?;
        match socket.connect(&addr.into()) {
            Err(error) if !sys::is_connecting(&error) => return Err(failed(error)),
            _ => {}
        }
        let socket = TcpStream::from(socket);
        let kernel = Connection::new(socket.local_addr().map_err(failed)?, addr);
        Ok(Wire { socket, kernel, is_connected: false, produced: 0, consumed: 0, closed: None })
    }

    /// Whether the connection is made.
    ///
    /// # Errors
    /// [`Error::Connect`] when it was refused.
    pub(super) fn is_connected(&mut self) -> Result<bool, Error> {
        if self.is_connected {
            return Ok(true);
        }
        let addr = self.kernel.peer;
        let failed = |source| Error::Connect { addr, source };
        if let Some(error) = self.socket.take_error().map_err(failed)? {
            return Err(failed(error));
        }
        let Ok(peer) = self.socket.peer_addr() else { return Ok(false) };
        let local = self.socket.local_addr().map_err(failed)?;
        if local == peer {
            // If nothing listens at a port from the ephemeral range, a connection can be made to itself.
            return Err(failed(ErrorKind::ConnectionRefused.into()));
        }
        self.kernel = Connection::new(local, peer);
        self.is_connected = true;
        Ok(true)
    }

    /// The server's address and ours.
    pub(super) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.kernel.peer, self.kernel.local)
    }

    /// The socket, to wait for.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Bytes that the kernel accepted from us.
    pub(super) fn produced(&self) -> u64 {
        self.produced
    }

    /// Bytes that we have read.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed
    }

    /// How the connection was closed, if it was.
    pub(super) fn closed(&self) -> Option<DisconnectKind> {
        self.closed
    }

    /// Notes how the connection was closed, unless that is known.
    pub(super) fn note_closed(&mut self, how: DisconnectKind) {
        self.closed.get_or_insert(how);
    }

    /// Writes what the kernel accepts of `bytes`; returns 0 if it accepts nothing now.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        if self.closed.is_some() {
            return 0;
        }
        match (&self.socket).write(bytes) {
            Ok(count) => {
                self.produced += count as u64;
                count
            }
            Err(error) => {
                self.note(&error);
                0
            }
        }
    }

    /// Reads what has arrived into `buffer`; returns 0 if nothing has.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> usize {
        match (&self.socket).read(buffer) {
            Ok(0) => {
                self.note_closed(DisconnectKind::Closed);
                0
            }
            Ok(count) => {
                self.consumed += count as u64;
                count
            }
            Err(error) => {
                self.note(&error);
                0
            }
        }
    }

    fn note(&mut self, error: &io::Error) {
        if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            self.note_closed(DisconnectKind::Reset);
        }
    }

    /// What both kernels reported last.
    pub(super) fn kernel(&self) -> &Connection {
        &self.kernel
    }

    /// Asks both kernels for the counters, and whether the connection is closed.
    pub(super) fn refresh(&mut self, tables: Option<&mut SocketTables>) {
        let counts = (self.produced, self.consumed);
        self.kernel.refresh(Some(OwnSocket { socket: &self.socket, counts: &|| counts }), tables);
        match self.kernel.closed_by_server() {
            Some(ServerClose::Fin) => self.note_closed(DisconnectKind::Closed),
            Some(ServerClose::Gone) => self.note_closed(DisconnectKind::Reset),
            None => {}
        }
    }
}
