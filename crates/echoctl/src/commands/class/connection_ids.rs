//! Numbers that name connections, since an address may be used again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// The numbers of the open connections.
#[derive(Debug, Default)]
pub(super) struct ConnectionIds {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_peer: HashMap<SocketAddr, u64>,
    last: u64,
}

impl ConnectionIds {
    /// Gives each new peer a number, and forgets those that are not among `peers`. Returns the number of each.
    pub(super) fn renew(&self, peers: impl Iterator<Item = SocketAddr>) -> HashMap<SocketAddr, u64> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_peer = HashMap::new();
        for peer in peers {
            let id = known.by_peer.get(&peer).copied().unwrap_or_else(|| {
                known.last += 1;
                known.last
            });
            by_peer.insert(peer, id);
        }
        known.by_peer.clone_from(&by_peer);
        by_peer
    }

    /// The peer of this number, if it is connected.
    pub(super) fn peer(&self, id: u64) -> Option<SocketAddr> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.by_peer.iter().find(|(_, known)| **known == id).map(|(peer, _)| *peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_names_one_connection() {
        let peers = |ports: &[u16]| {
            ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect::<Vec<_>>()
        };
        let ids = ConnectionIds::default();

        let first = ids.renew(peers(&[1, 2]).into_iter());
        ids.renew(peers(&[2]).into_iter());
        let third = ids.renew(peers(&[1, 2]).into_iter());

        let [one, two] = [peers(&[1])[0], peers(&[2])[0]];
        assert_eq!(first[&two], third[&two], "it was open all the time");
        assert_ne!(first[&one], third[&one], "another connection from the same port");
        assert_eq!((ids.peer(third[&one]), ids.peer(first[&one])), (Some(one), None));
    }
}
