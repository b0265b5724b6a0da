//! What waits at the sockets on which a watched server listens.

use echoctl_observe::{ConnectionTracker, ListenerReading, SocketOwners};
use echoctl_record::ListenerFigures;

/// Each listening address of the server.
pub(super) fn all(tracker: &ConnectionTracker, owners: &SocketOwners) -> Vec<ListenerFigures> {
    tracker.listeners().map(|reading| figures(reading, owners)).collect()
}

/// Keeps of each listener the figures with the fullest accept queue, and the most clients that could not connect.
pub(super) fn keep_fullest(kept: &mut Vec<ListenerFigures>, now: &[ListenerFigures]) {
    for listener in now {
        match kept.iter_mut().find(|kept| kept.listen == listener.listen) {
            Some(kept) => {
                let connecting = kept.connecting.max(listener.connecting);
                if listener.accept_queue >= kept.accept_queue {
                    *kept = listener.clone();
                }
                kept.connecting = connecting;
            }
            None => kept.push(listener.clone()),
        }
    }
}

fn figures(reading: &ListenerReading, owners: &SocketOwners) -> ListenerFigures {
    ListenerFigures {
        listen: reading.addr.to_string(),
        process: owners.process(reading.inode),
        connections: reading.connections,
        accept_queue: Some(reading.accept_queue),
        accept_queue_limit: reading.limit,
        syns_waiting: Some(reading.syns_waiting),
        connecting: Some(reading.connecting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_accept_queue_is_kept() {
        let at = |listen: &str, queue| ListenerFigures {
            listen: listen.to_owned(),
            accept_queue: Some(queue),
            ..ListenerFigures::default()
        };
        let mut kept = Vec::new();

        for now in [vec![at("a", 1)], vec![at("a", 7), at("b", 0)], vec![at("a", 2)]] {
            keep_fullest(&mut kept, &now);
        }

        assert_eq!(kept, [at("a", 7), at("b", 0)]);
    }
}
