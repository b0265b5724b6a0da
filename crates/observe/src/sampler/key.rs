//! What tells a connection from the others of a server, as a key of a hash table.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr};

/// What identifies a connection: the number of the namespace of its watched end, and both addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) namespace: usize,
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
}

impl Key {
    /// Whether its addresses say that it does not leave its host.
    pub(super) fn is_within_host(self) -> bool {
        let [client, server] = [self.client, self.server].map(|addr| addr.ip().to_canonical());
        client.is_loopback() || client == server
    }
}

/// Hashes the client's address and both ports at once, which costs a quarter of hashing each field: tens of thousands are looked up for
/// each sample. Nearly all connections differ in these.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ip = match self.client.ip() {
            IpAddr::V4(ip) => ip.to_bits().into(),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        state.write_u128(ip);
        state.write_u32(u32::from(self.client.port()) << 16 | u32::from(self.server.port()));
    }
}

/// Makes hashes of keys by one multiplication per number, which costs a fifth of the standard ones. Its secret keeps clients from
/// choosing addresses that collide.
#[derive(Debug)]
pub(super) struct Seed(u64);

impl Default for Seed {
    fn default() -> Seed {
        Seed(RandomState::new().hash_one(0) | 1)
    }
}

impl BuildHasher for Seed {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { hash: self.0, secret: self.0 }
    }
}

/// A hash so far.
pub(super) struct Folded {
    hash: u64,
    secret: u64,
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.hash
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64((*byte).into());
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        let product = u128::from(self.hash ^ number ^ ODD) * u128::from(self.secret ^ ODD.rotate_left(32));
        self.hash = (product as u64) ^ (product >> 64) as u64;
    }

    fn write_u128(&mut self, number: u128) {
        self.write_u64(number as u64);
        self.write_u64((number >> 64) as u64);
    }
}

/// The golden ratio in 64 bits.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn addresses_that_differ_in_any_part_have_other_hashes() {
        let seed = Seed::default();
        let hash = |client: [u8; 4], port: u16, server: u16| {
            let key = Key {
                namespace: 0,
                client: SocketAddr::from((client, port)),
                server: SocketAddr::from(([127, 0, 0, 1], server)),
            };
            seed.hash_one(key)
        };
        let all = (0..=255).flat_map(|last| (0..40).map(move |port| ([10, 0, last, 1], 1024 + port, 80)));
        let all: Vec<_> = all.chain((0..100).map(|port| ([10, 0, 0, 1], 9, port))).collect();

        let hashes: HashSet<u64> = all.iter().map(|(ip, port, server)| hash(*ip, *port, *server)).collect();
        // The table takes the lowest bits for the place, and the highest seven for the comparison.
        let places: HashSet<u64> = hashes.iter().map(|hash| hash & 0xffff).collect();

        assert_eq!(hashes.len(), all.len());
        assert!(places.len() > all.len() * 8 / 10, "{} places", places.len());
    }
}
