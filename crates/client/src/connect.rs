//! Connects to a server, and refuses a connection to itself.
//!
//! If nothing listens on an ephemeral port, the kernel may choose this very port for the connecting socket. Its SYN
//! then reaches the socket itself, as in a simultaneous open, and the connection is established: an echo that returns
//! every byte, without a server. It can be recognised only by its two addresses, which are equal.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::{Error, FAR_FUTURE};

/// Connects to `addr`. `within` is the connect timeout, more than 0.
///
/// # Errors
/// The kernel's error; also [`ErrorKind::ConnectionRefused`] for a connection to itself.
pub fn connect(addr: SocketAddr, within: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&addr, within)?;
    refuse_itself(stream.local_addr()?, stream.peer_addr()?)?;
    Ok(stream)
}

/// Refuses a connection whose two endpoints are the same.
pub(crate) fn refuse_itself(local: SocketAddr, peer: SocketAddr) -> io::Result<()> {
    if local == peer { Err(ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
}

/// Timeouts for opening the connections of one run: one for each connection and one for all of them, so that the run
/// also ends with a server that accepts more and more slowly.
#[derive(Debug)]
pub(crate) struct ConnectTimer {
    addr: SocketAddr,
    count: usize,
    each: Duration,
    end: Instant,
}

impl ConnectTimer {
    /// Starts now, for `count` connections to `addr`. `each` is the timeout of one connection.
    pub(crate) fn start(addr: SocketAddr, count: usize, each: Duration) -> ConnectTimer {
        let end = Instant::now() + each.max(CONNECT_ALL_TIMEOUT).min(FAR_FUTURE);
        ConnectTimer { addr, count, each, end }
    }

    /// Timeout of the next connection, more than 0.
    pub(crate) fn left(&self) -> Duration {
        self.each.min(self.end.saturating_duration_since(Instant::now())).max(Duration::from_millis(1))
    }

    /// The failure of the connection after the first `opened`; except for the first one, the message has its number.
    pub(crate) fn failure(&self, error: io::Error, opened: usize) -> Error {
        let numbered = |why| format!("connection {} of {}: {why}", opened + 1, self.count);
        let source = match error.kind() {
            _ if opened == 0 => error,
            kind @ ErrorKind::TimedOut => io::Error::new(kind, numbered("timed out".to_owned())),
            kind => io::Error::new(kind, numbered(error.to_string())),
        };
        Error::Connect { addr: self.addr, opened, source }
    }
}

/// Timeout for all connections of a run: 10,000 take a second or two, and a full backlog admits one every few
/// seconds.
const CONNECT_ALL_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_connection_to_itself_is_refused() {
        // Bound and connected to its own port, as happens by chance within the range of ephemeral ports.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let own = socket.local_addr().unwrap();
        socket.connect(&own).unwrap();
        let stream = TcpStream::from(socket);

        let ends = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());

        assert_eq!(
            refuse_itself(ends.0, ends.1).map_err(|error| error.kind()),
            Err(ErrorKind::ConnectionRefused)
        );
    }

    #[test]
    fn a_connection_to_a_server_is_made() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();

        assert!(connect(server.local_addr().unwrap(), 10 * SECOND).is_ok());
    }

    #[test]
    fn all_connections_together_have_a_timeout() {
        let timer = || ConnectTimer::start(([127, 0, 0, 1], 7007).into(), 1, 10 * SECOND);

        assert!(ConnectTimer { end: Instant::now(), ..timer() }.left() < SECOND);
        assert!(timer().left() == 10 * SECOND);
    }
}
