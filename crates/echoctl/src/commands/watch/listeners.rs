//! What waits at the sockets on which a watched server listens.

use echoctl_observe::{ConnectionTracker, ListenerReading};
use echoctl_record::ListenerFigures;

/// Each listening address of the server.
pub(super) fn all(tracker: &ConnectionTracker) -> Vec<ListenerFigures> {
    tracker.listeners().map(figures).collect()
}

fn figures(reading: &ListenerReading) -> ListenerFigures {
    ListenerFigures {
        listen: reading.addr.to_string(),
        process: None,
        connections: reading.connections,
        accept_queue: Some(reading.accept_queue),
        accept_queue_limit: reading.limit,
        syns_waiting: Some(reading.syns_waiting),
    }
}
