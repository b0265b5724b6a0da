//! The glue between the client, which knows nothing of measuring, and the sampler, which knows nothing of our client.

use std::sync::Arc;

use echoctl_client::Connection;
use echoctl_observe::{LocalEndpoint, WatchedConnection};

/// A connection of a flood, to be sampled. Its socket stays open until the sampler drops it.
pub fn watched(connection: &Arc<Connection>) -> WatchedConnection {
    let counted = Arc::clone(connection);
    let counts = move || {
        // Consumed before produced: what comes back in between was sent before.
        let consumed = counted.consumed();
        (counted.produced(), consumed)
    };
    WatchedConnection {
        local: connection.local_addr(),
        peer: connection.peer_addr(),
        endpoint: Some(LocalEndpoint { socket: Arc::clone(connection) as _, counts: Box::new(counts) }),
    }
}
