//! Where a watched server listens, and the connections that it has there.

use std::net::SocketAddr;

use echoctl_observe::ConnectionTracker;
use echoctl_record::ListenerFigures;

/// Each listening address of the server.
pub(super) fn all(tracker: &ConnectionTracker) -> Vec<ListenerFigures> {
    tracker.addrs().iter().map(|&listen| of(tracker, listen)).collect()
}

fn of(tracker: &ConnectionTracker, listen: SocketAddr) -> ListenerFigures {
    let is_its = |peer: SocketAddr| {
        peer.port() == listen.port() && (listen.ip().is_unspecified() || peer.ip() == listen.ip())
    };
    let connections = tracker.sampler().connections().filter(|connection| is_its(connection.peer)).count();
    ListenerFigures {
        listen: listen.to_string(),
        connections: u32::try_from(connections).unwrap_or(u32::MAX),
        ..ListenerFigures::default()
    }
}
