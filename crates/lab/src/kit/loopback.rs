//! Helpers for several experiments: connected sockets, and waiting for a condition.
//!
//! An experiment never sleeps for "long enough": it waits for a condition, and fails after a timeout.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::LessonError;

/// Limits of a connection's two ends: buffer sizes in bytes as passed to the kernel (Linux doubles them). With `None` the
/// kernel tunes the buffer itself.
#[derive(Debug, Clone, Copy)]
pub struct Clamp {
    /// The connecting side's send buffer.
    pub client_send: Option<usize>,
    /// The connecting side's receive buffer.
    pub client_receive: Option<usize>,
    /// The accepting side's send buffer.
    pub server_send: Option<usize>,
    /// The accepting side's receive buffer.
    pub server_receive: Option<usize>,
    /// The maximum segment size. Loopback's own segments have up to 64 KiB, far more than on a network.
    pub segment: Option<u32>,
}

impl Clamp {
    /// No limits: the kernel decides.
    pub const NONE: Clamp = Clamp {
        client_send: None,
        client_receive: None,
        server_send: None,
        server_receive: None,
        segment: None,
    };
}

/// The payload of an Ethernet frame minus the headers of IP and TCP: segments as on a network.
pub const ETHERNET: u32 = 1460;

/// A connection over loopback: the connecting end and the accepted one. Blocking reads and writes of both time out after
/// [`TIMEOUT`].
///
/// # Errors
/// When the system refuses sockets.
pub fn connection() -> Result<(TcpStream, TcpStream), LessonError> {
    connection_with(Clamp::NONE)
}

/// A connection over loopback with buffers of given sizes. They must be set before `listen` and `connect`, because the
/// handshake announces the window scale.
///
/// # Errors
/// When the system refuses sockets.
pub fn connection_with(clamp: Clamp) -> Result<(TcpStream, TcpStream), LessonError> {
    let listener = tcp_socket(clamp.server_send, clamp.server_receive)?;
    listener.bind(&loopback().into())?;
    listener.listen(16)?;
    let listener = TcpListener::from(listener);

    let client = tcp_socket(clamp.client_send, clamp.client_receive)?;
    #[cfg(unix)]
    if let Some(bytes) = clamp.segment {
        client.set_tcp_mss(bytes)?;
    }
    client.connect_timeout(&listener.local_addr()?.into(), TIMEOUT)?;
    let client = TcpStream::from(client);
    set_timeouts(&client)?;
    let server = accept(&listener, client.local_addr()?)?;
    Ok((client, server))
}

/// Connects to a server of the experiment. Connecting, and blocking reads and writes, time out after [`TIMEOUT`].
///
/// # Errors
/// The system's own.
pub fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let client = TcpStream::connect_timeout(&server, TIMEOUT)?;
    set_timeouts(&client)?;
    Ok(client)
}

/// Two connected UDP sockets, which receive only each other's datagrams.
///
/// # Errors
/// When the system refuses sockets.
pub fn datagrams() -> io::Result<(UdpSocket, UdpSocket)> {
    let (one, other) = (UdpSocket::bind(loopback())?, UdpSocket::bind(loopback())?);
    one.connect(other.local_addr()?)?;
    other.connect(one.local_addr()?)?;
    for end in [&one, &other] {
        end.set_read_timeout(Some(TIMEOUT))?;
    }
    Ok((one, other))
}

fn set_timeouts(end: &TcpStream) -> io::Result<()> {
    end.set_read_timeout(Some(TIMEOUT))?;
    end.set_write_timeout(Some(TIMEOUT))
}

/// Accepts the connection from `client`, with the timeouts of [`connect`]. Connections from other programs are closed.
///
/// # Errors
/// When it has not arrived after [`TIMEOUT`].
pub fn accept(listener: &TcpListener, client: SocketAddr) -> Result<TcpStream, LessonError> {
    listener.set_nonblocking(true)?;
    let accepted = until("the experiment's own connection is accepted", || match listener.accept() {
        Ok((connection, peer)) => Ok(Some(connection).filter(|_| peer == client)),
        Err(error) if is_not_now(&error) || error.kind() == ErrorKind::ConnectionAborted => Ok(None),
        Err(error) => Err(error.into()),
    })?;
    listener.set_nonblocking(false)?;
    accepted.set_nonblocking(false)?;
    set_timeouts(&accepted)?;
    Ok(accepted)
}

/// A TCP socket that is not yet bound, with its buffers set.
///
/// # Errors
/// When the system refuses it.
pub fn tcp_socket(send: Option<usize>, receive: Option<usize>) -> Result<Socket, LessonError> {
    let socket = Socket::new(Domain::for_address(loopback()), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(bytes) = send {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = receive {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(socket)
}

/// 127.0.0.1, or ::1 on a host with IPv6 only, and a port that the kernel chooses.
pub fn loopback() -> SocketAddr {
    SocketAddr::from((echoctl_observe::loopback(), 0))
}

/// Calls `found` repeatedly until it has a result.
///
/// # Errors
/// [`LessonError::TimedOut`] after [`TIMEOUT`], naming `what`; or the first error of `found`.
pub fn until<T>(
    what: &str,
    mut found: impl FnMut() -> Result<Option<T>, LessonError>,
) -> Result<T, LessonError> {
    let deadline = Instant::now() + TIMEOUT;
    while Instant::now() < deadline {
        if let Some(result) = found()? {
            return Ok(result);
        }
        std::thread::sleep(PAUSE);
    }
    Err(LessonError::TimedOut { what: what.to_owned(), seconds: TIMEOUT.as_secs() })
}

/// Waits until `value` is there and has not changed for `still`. Returns it, and the time of its last change.
///
/// # Errors
/// As [`until`].
pub fn settled<T: PartialEq + Copy>(
    what: &str,
    still: Duration,
    mut value: impl FnMut() -> Result<Option<T>, LessonError>,
) -> Result<(T, Instant), LessonError> {
    let mut last = (None, Instant::now());
    until(what, || {
        let now = value()?;
        if now != last.0 {
            last = (now, Instant::now());
        }
        Ok(last.0.map(|value| (value, last.1)).filter(|(_, since)| since.elapsed() >= still))
    })
}

/// Whether a call on a non-blocking socket, or on one with a timeout, would have blocked longer.
pub fn is_not_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Time limit for any condition of an experiment. What takes milliseconds on an idle machine may take a second on a loaded
/// one.
pub const TIMEOUT: Duration = Duration::from_secs(8);

/// Time between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(2);
