//! The glue between the client, which knows nothing of measuring, and the sampler, which knows nothing of our client.

use std::sync::Arc;

use echoctl_client::Link;
use echoctl_observe::{OwnEnd, Watched};

/// A connection of a flood, to be sampled. It holds the link, and so its socket, until the sampler lets go of it.
pub fn watched(link: &Arc<Link>) -> Watched {
    let counted = Arc::clone(link);
    let counters = move || {
        // Consumed before produced: what comes back in between was sent before.
        let consumed = counted.consumed();
        (counted.produced(), consumed)
    };
    Watched {
        local: link.local_addr(),
        peer: link.peer_addr(),
        own: Some(OwnEnd { socket: Arc::clone(link) as _, counters: Box::new(counters) }),
    }
}
