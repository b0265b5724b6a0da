//! The socket of a connection, with what the kernel reports about both ends of it. Its bytes are those on the wire.

use std::io::{self, ErrorKind, Read, Write};

use echoctl_observe::{Connection, OwnSocket, ServerAddr, ServerClose, SocketTables, UnixConnection};
use echoctl_record::DisconnectKind;
use echoctl_trial::spawn::{Descendants, ForeignListener, Listeners};
use socket2::{Domain, SockAddr, Socket, Type};

use super::kernel_view::KernelView;
use crate::Error;
use crate::sys;

/// A socket that never blocks, and the counters of its bytes.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    to: ServerAddr,
    kernel: KernelView,
    is_connected: bool,
    /// Bytes that the kernel accepted from us, and bytes that we have read.
    produced: u64,
    consumed: u64,
    closed: Option<DisconnectKind>,
}

impl Wire {
    /// Begins to connect and does not wait. `receive_buffer` fixes the size of our receive queue (SO_RCVBUF).
    pub(super) fn begin(to: &ServerAddr, receive_buffer: Option<usize>) -> Result<Wire, Error> {
        Wire::begin_at(to, receive_buffer).map_err(|source| Error::Connect { addr: to.clone(), source })
    }

    fn begin_at(to: &ServerAddr, receive_buffer: Option<usize>) -> io::Result<Wire> {
        let domain = to.tcp().map_or(Domain::UNIX, Domain::for_address);
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if let Some(bytes) = receive_buffer {
            // Before the handshake, which announces the window. The option is a signed 32-bit number.
            socket.set_recv_buffer_size(bytes.min(i32::MAX as usize))?;
        }
        socket.set_nonblocking(true)?;
        let kernel = match to {
            ServerAddr::Tcp(addr) => {
                // A request smaller than a segment is sent immediately.
                socket.set_tcp_nodelay(true)?;
                KernelView::Tcp(Box::new(Connection::new(*addr, *addr)))
            }
            ServerAddr::Unix(_) => KernelView::Unix(Box::new(UnixConnection::new(&socket))),
        };
        let mut wire = Wire {
            socket,
            to: to.clone(),
            kernel,
            is_connected: false,
            produced: 0,
            consumed: 0,
            closed: None,
        };
        wire.connect()?;
        Ok(wire)
    }

    /// Begins to connect. A Unix-domain socket is connected by this, unless too many others wait for the server.
    fn connect(&mut self) -> io::Result<()> {
        let (to, is_unix) = match &self.to {
            ServerAddr::Tcp(addr) => (SockAddr::from(*addr), false),
            ServerAddr::Unix(path) => (SockAddr::unix(path)?, true),
        };
        match self.socket.connect(&to) {
            Ok(()) => self.is_connected = is_unix,
            Err(error) if sys::is_connecting(&error) => {}
            Err(error) if is_unix => return Err(sys::of_unix_socket(error)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether the connection is made.
    ///
    /// # Errors
    /// [`Error::Connect`] when it was refused.
    pub(super) fn is_connected(&mut self) -> Result<bool, Error> {
        if !self.is_connected {
            let made = if self.to.tcp().is_some() { self.look_whether_made() } else { self.connect() };
            made.map_err(|source| Error::Connect { addr: self.to.clone(), source })?;
        }
        Ok(self.is_connected)
    }

    /// Looks whether a connection over TCP is made.
    fn look_whether_made(&mut self) -> io::Result<()> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        let Ok(peer) = self.socket.peer_addr() else { return Ok(()) };
        let local = self.socket.local_addr()?;
        let Some((local, peer)) = local.as_socket().zip(peer.as_socket()) else { return Ok(()) };
        if local == peer {
            // If nothing listens at a port from the ephemeral range, a connection can be made to itself.
            return Err(ErrorKind::ConnectionRefused.into());
        }
        self.kernel = KernelView::Tcp(Box::new(Connection::new(local, peer)));
        self.is_connected = true;
        Ok(())
    }

    /// The owner of the server's end, if it is not `target`; `None` before the connection is accepted.
    pub(super) fn foreign_listener(
        &self,
        listeners: &mut Listeners,
        target: Descendants,
    ) -> Option<ForeignListener> {
        match &self.kernel {
            KernelView::Tcp(connection) => {
                listeners.foreign_listener_at((connection.peer, connection.local), target)
            }
            KernelView::Unix(connection) => listeners.foreign_peer(&self.to, connection.inode()?, target),
        }
    }

    /// Whether the server has to accept others first: the kernel has no place for another connection, and reports the socket as hung
    /// up, so that waiting for it would not wait.
    pub(super) fn is_queued_out(&self) -> bool {
        !self.is_connected && self.to.tcp().is_none()
    }

    /// The socket, to wait for.
    pub(super) fn socket(&self) -> &Socket {
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
    pub(super) fn kernel(&self) -> &KernelView {
        &self.kernel
    }

    /// Asks both kernels for the counters, and whether the connection is closed.
    pub(super) fn refresh(&mut self, tables: Option<&mut SocketTables>) {
        let counts = (self.produced, self.consumed);
        self.kernel.refresh(OwnSocket { socket: &self.socket, counts: &|| counts }, tables);
        match self.kernel.closed_by_server() {
            Some(ServerClose::Fin) => self.note_closed(DisconnectKind::Closed),
            Some(ServerClose::Gone) => self.note_closed(DisconnectKind::Reset),
            None => {}
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    use echoctl_testkit::eventually;

    use super::*;

    /// A connection over a Unix-domain socket, and the server's end of it.
    fn pair() -> (Wire, std::os::unix::net::UnixStream) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut wire = Wire::begin(&ServerAddr::Unix(path), None).unwrap();
        assert!(wire.is_connected().unwrap(), "it is connected at once");
        (wire, listener.accept().unwrap().0)
    }

    #[test]
    fn bytes_are_counted_over_a_unix_socket() {
        let (mut wire, mut server) = pair();
        let mut buffer = [0; 100];

        assert_eq!(wire.write(b"hello"), 5);
        server.read_exact(&mut buffer[..2]).unwrap();
        server.write_all(b"hi!").unwrap();
        assert_eq!(wire.read(&mut buffer[..1]), 1);
        wire.refresh(Some(&mut SocketTables::of([])));

        let counters = wire.kernel().counters();
        assert_eq!((counters.produced, counters.client_received, counters.consumed), (5, Some(3), 1));
        if cfg!(target_os = "linux") {
            assert_eq!((counters.server_read, counters.server_written), (Some(2), Some(3)));
            assert_eq!(wire.kernel().is_server_writable(), Some(true));
        }
        assert_eq!(wire.closed(), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_end_of_a_unix_connection_is_seen_without_reading() {
        let mut tables = SocketTables::of([]);
        for unread in [false, true] {
            let (mut wire, mut server) = pair();
            wire.write(b"input");
            server.write_all(b"output").unwrap();
            if !unread {
                server.read_exact(&mut [0; 5]).unwrap();
            }
            drop(server);

            eventually("the end is seen", || {
                wire.refresh(Some(&mut tables));
                wire.closed().is_some()
            });

            let how = if unread { DisconnectKind::Reset } else { DisconnectKind::Closed };
            assert_eq!((wire.closed(), wire.write(b"more")), (Some(how), 0));
            assert_eq!(wire.read(&mut [0; 100]), 6, "what had come can be read");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_backlog_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let to = ServerAddr::Unix(folder.path().join("socket"));
        let ServerAddr::Unix(path) = &to else { unreachable!() };
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&SockAddr::unix(path).unwrap()).unwrap();
        listener.listen(0).unwrap();
        let begin = || Wire::begin(&to, None).unwrap();
        let (_first, mut second) = (begin(), begin());
        assert!(!second.is_connected().unwrap() && second.is_queued_out());

        let _accepted = listener.accept().unwrap();

        assert!(second.is_connected().unwrap() && !second.is_queued_out());
    }

    #[test]
    fn a_path_without_a_server_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");

        let error = Wire::begin(&ServerAddr::Unix(path), None).unwrap_err();

        assert!(
            matches!(&error, Error::Connect { source, .. } if source.kind() == ErrorKind::NotFound),
            "{error}"
        );
    }
}
