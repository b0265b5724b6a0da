//! Makes a client's connection available to the sampler. The client crate does not depend on the sampler, nor vice versa.

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
