//! Limits how many connections of a class one address may have, so that one machine cannot take all places.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// The connections that one address has too many: its newest ones, which have the highest numbers.
pub(super) fn excess(numbers: &HashMap<SocketAddr, u64>) -> Vec<SocketAddr> {
    let mut by_ip: HashMap<IpAddr, Vec<(u64, SocketAddr)>> = HashMap::new();
    for (peer, number) in numbers.iter().filter(|(peer, _)| !peer.ip().is_loopback()) {
        by_ip.entry(peer.ip()).or_default().push((*number, *peer));
    }
    let too_many = by_ip.into_values().filter(|peers| peers.len() > MAX_PER_ADDRESS);
    too_many
        .flat_map(|mut peers| {
            peers.sort_unstable();
            peers.split_off(MAX_PER_ADDRESS)
        })
        .map(|(_, peer)| peer)
        .collect()
}

/// Connections of one address: a whole room behind one (NAT), with several per student, and a quarter of all.
const MAX_PER_ADDRESS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_connections_of_one_address_are_too_many() {
        let peer = |host: [u8; 4], port: u16| SocketAddr::from((host, port));
        let room = (1..=502).map(|port| (peer([10, 0, 0, 7], port), u64::from(port)));
        let others = (1..=600).map(|port| (peer([127, 0, 0, 1], port), u64::from(port)));
        let numbers = room.chain(others).chain([(peer([10, 0, 0, 8], 1), 9000)]).collect();

        let mut excess = excess(&numbers);

        excess.sort_unstable();
        assert_eq!(excess, [peer([10, 0, 0, 7], 501), peer([10, 0, 0, 7], 502)]);
    }
}
