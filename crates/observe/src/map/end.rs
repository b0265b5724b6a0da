//! One end of a connection, of TCP or of a Unix-domain socket, reduced to what the map needs.

use std::net::IpAddr;
use std::time::Duration;

use echoctl_record::{EdgeFlow, Fill};

use crate::{SocketEntry, Timer, UnixSocket};

/// The owner of an end of a connection, as far as it is known. Ordered as nodes are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EndOwner {
    /// A process.
    Process(u32),
    /// A process of this user, whose files are hidden, at this address.
    User(String, String),
    /// Another host.
    Remote(IpAddr),
    /// A process that is not visible, at this address.
    Hidden(String),
    /// A process that has not been looked for yet, at this address.
    Unknown(String),
}

impl EndOwner {
    /// The owner of the other end, that of a client: where only the address of the server is known, the two must not be one node.
    pub(super) fn into_client(self) -> EndOwner {
        let client_of = |address: String| format!("{CLIENT_OF}{address}");
        match self {
            EndOwner::User(user, address) => EndOwner::User(user, client_of(address)),
            EndOwner::Hidden(address) => EndOwner::Hidden(client_of(address)),
            EndOwner::Unknown(address) => EndOwner::Unknown(client_of(address)),
            EndOwner::Process(_) | EndOwner::Remote(_) => self,
        }
    }

    /// The address at which it listens, of a process of which not much more is known.
    pub(super) fn listens_at(&self) -> Option<&str> {
        match self {
            EndOwner::User(_, address) => {
                Some(address.as_str()).filter(|address| !address.starts_with(CLIENT_OF))
            }
            _ => None,
        }
    }
}

/// Begins the address of a client.
const CLIENT_OF: &str = "client of ";

/// One end that is visible. Sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct End {
    pub(super) inode: u32,
    pub(super) unread: u64,
    pub(super) unacknowledged: u64,
    /// Read by its process since the connection was opened.
    pub(super) read: Option<u64>,
    /// Since it last sent payload to its peer, and received some. Probes of a closed window do not count.
    pub(super) since_sent: Option<Duration>,
    pub(super) since_received: Option<Duration>,
    /// Acknowledged by its peer since then; a SYN counts as one.
    pub(super) acknowledged: Option<u64>,
    /// Whether a write would block: the send queue is full, or the peer's window is closed before bytes that wait.
    pub(super) cannot_write: bool,
    /// Whether it accepts no more bytes from its peer.
    pub(super) is_closed_to_peer: bool,
    /// Whether it sends segments again that the peer has room for and does not acknowledge.
    pub(super) is_unanswered: bool,
}

impl End {
    pub(super) fn of_tcp(entry: &SocketEntry) -> End {
        let unacknowledged = entry.unacknowledged();
        let waits_for_window = entry.info.is_some_and(|info| info.snd_wnd == Some(0))
            || entry.timer == Some(Timer::ZeroWindowProbe);
        let is_full = entry.memory.is_some_and(|memory| !memory.is_writable());
        let millis = |millis: u32| Duration::from_millis(millis.into());
        let is_closed = entry.info.is_some_and(|info| info.rcv_wnd == Some(0))
            || entry.memory.is_some_and(|memory| memory.receive >= memory.receive_limit.max(1));
        End {
            inode: entry.inode,
            unread: entry.unread(),
            unacknowledged,
            read: entry
                .info
                .and_then(|info| info.payload_received())
                .map(|received| received.saturating_sub(entry.unread())),
            since_sent: entry.info.and_then(|info| info.last_data_sent).map(millis),
            since_received: entry.info.and_then(|info| info.last_data_recv).map(millis),
            acknowledged: entry.info.and_then(|info| info.bytes_acked),
            cannot_write: unacknowledged > 0 && (waits_for_window || is_full),
            is_closed_to_peer: is_closed,
            is_unanswered: entry.timer == Some(Timer::Retransmit) && !waits_for_window,
        }
    }

    /// Nothing is in flight over a Unix-domain socket, and the kernel counts no bytes.
    pub(super) fn of_unix(socket: &UnixSocket) -> End {
        End {
            inode: socket.inode,
            unread: socket.unread,
            cannot_write: socket.is_writable() == Some(false),
            ..End::default()
        }
    }
}

/// What flows from `writer` to `reader` over one connection now; `None` for an end that is not visible.
pub(super) fn flow(writer: Option<&End>, reader: Option<&End>) -> EdgeFlow {
    let send_queue = writer.map(|end| end.unacknowledged);
    let receive_queue = reader.map(|end| end.unread);
    let is_full = match (writer, reader) {
        (Some(writer), _) => writer.cannot_write,
        (None, Some(reader)) => reader.is_closed_to_peer && reader.unread > 0,
        (None, None) => false,
    };
    let fill = match send_queue.unwrap_or(0) + receive_queue.unwrap_or(0) {
        _ if is_full => Fill::Full,
        0 => Fill::Empty,
        _ => Fill::Partial,
    };
    EdgeFlow { send_queue, receive_queue, fill, full: is_full.into(), ..EdgeFlow::default() }
}

/// Bytes that have passed from `writer` to `reader` so far: those that were read, or where the reader is not visible those that its
/// kernel has acknowledged.
pub(super) fn passed(writer: Option<&End>, reader: Option<&End>) -> Option<u64> {
    match reader {
        Some(reader) => reader.read,
        None => writer?.acknowledged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_client_is_not_the_hidden_server_of_its_address() {
        let hidden = || EndOwner::Hidden("127.0.0.1:80".to_owned());
        let user = || EndOwner::User("www".to_owned(), "127.0.0.1:80".to_owned());

        assert_eq!(hidden().into_client(), EndOwner::Hidden("client of 127.0.0.1:80".to_owned()));
        assert_ne!(user().into_client(), user());
        assert_eq!((user().listens_at(), user().into_client().listens_at()), (Some("127.0.0.1:80"), None));
        assert_eq!(EndOwner::Process(1).into_client(), EndOwner::Process(1));
    }
}
