//! What is behind a server: the sockets at the other ends of its connections, over TCP and over Unix-domain sockets.
//!
//! Every TCP connection counts that the server did not accept at the attacked port. Of Unix-domain sockets, a service has some that
//! carry nothing of its clients' data: the journal as its standard output, the system log (datagrams), D-Bus. So only a stream or a
//! sequence of packets counts, not a standard stream, and of those that the server accepted itself none; and one that was open
//! before the attack is [`Use::Unknown`] unless bytes wait in it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use echoctl_observe::{SocketEntry, UnixKind, UnixSocket};

/// The sockets of a server.
#[derive(Debug, Clone)]
pub(super) struct OwnSockets<'a> {
    /// All of them, by inode.
    pub(super) all: BTreeSet<u32>,
    /// Its standard streams.
    pub(super) standard: BTreeSet<u32>,
    /// Those over Unix-domain sockets that were open before the attack, and others.
    pub(super) before: &'a BTreeSet<u32>,
}

/// The sockets behind a server.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Behind {
    /// Those of other processes on this host, by inode.
    pub(super) peers: BTreeMap<u32, Use>,
    /// Whether there are others, which are not on this host.
    pub(super) is_elsewhere: bool,
}

/// Whether the server's data goes to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// It was connected before the attack, and no data was seen.
    Unknown,
    /// It was connected for the attack, or data waits in its queue.
    Used,
}

impl Behind {
    /// What is behind a server that accepts its clients on `ports` and has the sockets `own`, among `tcp`, those of each network
    /// namespace, and `unix`.
    pub(super) fn of(
        tcp: &[Vec<SocketEntry>],
        unix: &[UnixSocket],
        own: &OwnSockets<'_>,
        ports: &BTreeSet<u16>,
    ) -> Behind {
        let mut behind = Behind::default();
        behind.add_tcp(tcp, own, ports);
        behind.add_unix(unix, own);
        behind
    }

    fn add_tcp(&mut self, all: &[Vec<SocketEntry>], own: &OwnSockets<'_>, ports: &BTreeSet<u16>) {
        let by_ends: Vec<BTreeMap<(SocketAddr, SocketAddr), u32>> = all
            .iter()
            .map(|sockets| sockets.iter().map(|found| ((found.local, found.remote), found.inode)).collect())
            .collect();
        let is_away =
            |found: &&SocketEntry| own.all.contains(&found.inode) && !ports.contains(&found.local.port());
        for (sockets, here) in all.iter().zip(&by_ends) {
            for found in sockets.iter().filter(is_away) {
                let ends = (found.remote, found.local);
                let anywhere = || by_ends.iter().find_map(|there| there.get(&ends));
                // Loopback does not leave its namespace.
                let stays = found.remote.ip().to_canonical().is_loopback();
                match here.get(&ends).or_else(|| if stays { None } else { anywhere() }) {
                    Some(inode) => self.add(*inode, Use::Used, own),
                    None => self.is_elsewhere = true,
                }
            }
        }
    }

    fn add_unix(&mut self, all: &[UnixSocket], own: &OwnSockets<'_>) {
        let queued: BTreeMap<u32, u64> = all.iter().map(|socket| (socket.inode, socket.queued())).collect();
        let is_away = |socket: &&UnixSocket| {
            let inode = &socket.inode;
            own.all.contains(inode)
                && !own.standard.contains(inode)
                && socket.kind != UnixKind::Datagrams
                && socket.name.is_none()
        };
        for socket in all.iter().filter(is_away) {
            let waits = socket.queued() > 0 || queued.get(&socket.peer).is_some_and(|&queued| queued > 0);
            let is_used = waits || !own.before.contains(&socket.inode);
            self.add(socket.peer, if is_used { Use::Used } else { Use::Unknown }, own);
        }
    }

    /// Adds a peer, unless it is the server itself, or a connection that is not accepted yet or already closed: those may be found
    /// by the next look.
    fn add(&mut self, inode: u32, its_use: Use, own: &OwnSockets<'_>) {
        if inode != 0 && !own.all.contains(&inode) {
            let known = self.peers.entry(inode).or_insert(its_use);
            *known = its_use.max(*known);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use echoctl_observe::TcpState;

    use super::*;

    /// A TCP connection of the process that has `inode` open.
    fn end(inode: u32, local: u16, remote: u16) -> SocketEntry {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        SocketEntry {
            local: at(local),
            remote: at(remote),
            state: TcpState::Established,
            rqueue: 0,
            wqueue: 0,
            uid: 0,
            inode,
            timer: None,
            unanswered: 0,
            only_v6: false,
            info: None,
            memory: None,
        }
    }

    /// Both ends of a Unix-domain connection between a client and a server.
    fn unix(client: u32, server: u32) -> [UnixSocket; 2] {
        let client_end = UnixSocket { inode: client, peer: server, ..UnixSocket::default() };
        let name = Some("/run/socket".into());
        [client_end, UnixSocket { inode: server, peer: client, name, ..UnixSocket::default() }]
    }

    /// A server that has the inodes 1 and 2 open, the latter since before the attack.
    fn own() -> OwnSockets<'static> {
        static BEFORE: LazyLock<BTreeSet<u32>> = LazyLock::new(|| [2].into());
        OwnSockets { all: [1, 2].into(), standard: BTreeSet::new(), before: &BEFORE }
    }

    /// What is behind that server, on port 80.
    fn behind_tcp(all: &[SocketEntry]) -> (Vec<u32>, bool) {
        let behind = Behind::of(&[all.to_vec()], &[], &own(), &[80].into());
        (behind.peers.into_keys().collect(), behind.is_elsewhere)
    }

    fn behind_unix(all: &[UnixSocket], own: &OwnSockets<'_>) -> Vec<(u32, Use)> {
        Behind::of(&[], all, own, &[80].into()).peers.into_iter().collect()
    }

    #[test]
    fn a_server_that_only_accepts_has_nothing_behind_it() {
        assert_eq!(behind_tcp(&[end(1, 80, 5000), end(9, 5000, 80)]), (vec![], false));
        assert_eq!(behind_unix(&unix(9, 1), &own()), []);
    }

    #[test]
    fn the_other_end_of_a_connection_is_behind_the_server() {
        assert_eq!(behind_tcp(&[end(1, 6000, 3306), end(7, 3306, 6000)]), (vec![7], false));
        assert_eq!(behind_unix(&unix(1, 7), &own()), [(7, Use::Used)]);
    }

    #[test]
    fn an_end_that_is_not_on_this_host_is_elsewhere() {
        assert_eq!(
            behind_tcp(&[end(1, 6000, 3306), end(2, 6001, 3306), end(7, 3306, 6001)]),
            (vec![7], true)
        );
    }

    #[test]
    fn an_end_in_another_namespace_is_found_unless_it_is_loopback() {
        let link = |inode, local: &str, remote: &str| SocketEntry {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            ..end(inode, 1, 1)
        };
        let behind = |all: &[Vec<SocketEntry>]| Behind::of(all, &[], &own(), &[80].into());

        let linked = behind(&[
            vec![link(1, "10.0.0.1:6000", "10.0.0.2:3306")],
            vec![link(7, "10.0.0.2:3306", "10.0.0.1:6000")],
        ]);
        let alone = behind(&[vec![end(1, 6000, 3306)], vec![end(7, 3306, 6000)]]);
        let inside = behind(&[vec![end(8, 3306, 6000)], vec![end(1, 6000, 3306), end(7, 3306, 6000)]]);

        assert_eq!((linked.peers.into_keys().collect::<Vec<_>>(), linked.is_elsewhere), (vec![7], false));
        assert_eq!((alone.peers.len(), alone.is_elsewhere), (0, true));
        assert_eq!((inside.peers.into_keys().collect::<Vec<_>>(), inside.is_elsewhere), (vec![7], false));
    }

    #[test]
    fn connections_to_itself_and_to_nobody_yet_do_not_count() {
        assert_eq!(behind_tcp(&[end(1, 6000, 3306), end(2, 3306, 6000)]), (vec![], false));
        assert_eq!(behind_tcp(&[end(1, 6000, 3306), end(0, 3306, 6000)]), (vec![], false));
        assert_eq!(behind_unix(&unix(1, 2), &own()), []);
        assert_eq!(behind_unix(&unix(1, 0)[..1], &own()), []);
    }

    #[test]
    fn connections_of_other_processes_do_not_count() {
        assert_eq!(behind_tcp(&[end(8, 6000, 3306), end(0, 6001, 3306)]), (vec![], false));
        assert_eq!(behind_unix(&unix(8, 9), &own()), []);
    }

    #[test]
    fn an_old_unix_connection_counts_when_bytes_wait_in_it() {
        let idle = unix(2, 7);
        let [mut server_waits, mut client_waits] = [idle.clone(), idle.clone()];
        server_waits[1].unread = 5;
        client_waits[0].unread_by_peer = 5;

        assert_eq!(behind_unix(&idle, &own()), [(7, Use::Unknown)]);
        assert_eq!(behind_unix(&server_waits, &own()), [(7, Use::Used)]);
        assert_eq!(behind_unix(&client_waits, &own()), [(7, Use::Used)]);
    }

    #[test]
    fn standard_streams_and_datagrams_are_no_upstreams() {
        let logs = OwnSockets { standard: [1].into(), ..own() };
        let datagrams = unix(1, 7).map(|socket| UnixSocket { kind: UnixKind::Datagrams, ..socket });

        assert_eq!(behind_unix(&unix(1, 7), &logs), []);
        assert_eq!(behind_unix(&datagrams, &own()), []);
    }
}
