//! What several experiments need to measure: connected sockets, and waiting for a condition.
//!
//! An experiment never sleeps for "long enough": it waits until what it needs is so, and fails by a deadline.

use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::LessonError;

/// What a connection's two ends are held to: buffer sizes in bytes as given to the kernel (Linux doubles them).
/// `None` leaves it to the kernel, which lets buffers grow as it sees fit.
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
    /// The largest segment. Loopback's own are 64 KiB, far from those of a network.
    pub segment: Option<u32>,
}

impl Clamp {
    /// Everything is left to the kernel.
    pub const NONE: Clamp = Clamp {
        client_send: None,
        client_receive: None,
        server_send: None,
        server_receive: None,
        segment: None,
    };
}

/// The payload of an Ethernet frame less the headers of IP and TCP: segments as on a network.
pub const ETHERNET: u32 = 1460;

/// A connection over 127.0.0.1: the connecting end and the accepted one.
///
/// # Errors
/// When the system refuses sockets.
pub fn connection() -> Result<(TcpStream, TcpStream), LessonError> {
    connection_with(Clamp::NONE)
}

/// A connection over 127.0.0.1 with buffers of given sizes. They must be set before `listen` and `connect`: the window
/// that TCP offers is agreed upon in the handshake.
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
    client.connect(&listener.local_addr()?.into())?;
    let (server, _) = listener.accept()?;
    Ok((client.into(), server))
}

/// A TCP socket that is not yet bound, with its buffers set.
///
/// # Errors
/// When the system refuses it.
pub fn tcp_socket(send: Option<usize>, receive: Option<usize>) -> Result<Socket, LessonError> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    if let Some(bytes) = send {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = receive {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(socket)
}

/// 127.0.0.1 and a port that the kernel chooses.
pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Asks again and again until `found` has an answer.
///
/// # Errors
/// [`LessonError::Waited`] after [`PATIENCE`], naming `what`; or the first error of `found`.
pub fn until<T>(
    what: &str,
    mut found: impl FnMut() -> Result<Option<T>, LessonError>,
) -> Result<T, LessonError> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(answer) = found()? {
            return Ok(answer);
        }
        std::thread::sleep(PAUSE);
    }
    Err(LessonError::Waited { what: what.to_owned(), seconds: PATIENCE.as_secs() })
}

/// Reads to EOF and returns the bytes of each read, in order.
///
/// # Errors
/// As the connection does.
pub fn read_sizes(stream: &mut impl Read, buffer: usize) -> io::Result<Vec<usize>> {
    let (mut sizes, mut buffer) = (Vec::new(), vec![0; buffer]);
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(sizes),
            read => sizes.push(read),
        }
    }
}

/// Whether a socket call on a non-blocking or timed socket said "not now".
pub fn is_not_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The longest that any condition of an experiment is waited for. What takes milliseconds on an idle machine may take
/// a second on a loaded one.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(2);
