//! A connection that a tracker follows.

use super::Connection;
use super::key::Key;
use super::listeners::{ListenerKey, Listeners};

/// Where the ends of a connection are in the last dump.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) server: Option<usize>,
    pub(super) client: Option<usize>,
    /// Whether the client's end needs no look-up: see [`Connection::is_quiet`].
    pub(super) is_quiet: bool,
}

/// A connection that is followed.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) key: Key,
    pub(super) connection: Connection,
    pub(super) listener: Option<ListenerKey>,
    /// Whether its client is known to be on this host. If its end is not visible, it has closed, together with its queues.
    pub(super) is_client_here: bool,
    pub(super) is_new: bool,
}

impl Tracked {
    /// One that has not been read yet, to what listens at its server's address.
    pub(super) fn new(key: Key, listeners: &Listeners) -> Tracked {
        let listener = listeners.accepting(key.namespace, key.server);
        let connection = Connection::new(key.client, key.server);
        Tracked {
            key,
            connection: Connection { listener: listener.map(|(_, addr)| addr), ..connection },
            listener,
            is_client_here: key.is_within_host(),
            is_new: true,
        }
    }
}
