//! Finds a free port for a target, on the loopback address of this host.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{SocketAddr, TcpListener};

use echoctl_observe::loopback;

use super::{Listeners, SpawnError};

/// A loopback address with a free port, of which the next one is free too: proxies often put their upstream there. Free means on
/// every address of both families, because a command may listen on any of them.
pub(super) fn free_addr(listeners: &mut Listeners) -> Result<SocketAddr, SpawnError> {
    let ip = loopback();
    let mut free =
        |port: u16| listeners.is_free(port).unwrap_or(false) && TcpListener::bind((ip, port)).is_ok();
    (0..TRIES)
        .map(|_| {
            // The seed that std gives each hash map is random enough to avoid other targets.
            let random = RandomState::new().build_hasher().finish();
            LOWEST + (random % u64::from(PORTS)) as u16
        })
        .find(|&port| free(port) && free(port + 1))
        .map(|port| SocketAddr::from((ip, port)))
        .ok_or(SpawnError::NoFreePort)
}

/// Above most services.
const LOWEST: u16 = 20_000;

/// Number of ports: up to 32,000, below the range of ephemeral ports (from 32,768 on), so that no client uses one already.
const PORTS: u16 = 12_000;

/// More than enough: if a thousand random ports are in use, the host has no free one.
const TRIES: u32 = 1000;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_port_taken_on_any_address_is_not_free() {
        let mut listeners = Listeners::open().unwrap();
        for ip in ["127.0.0.1", "127.0.0.2", "::1"] {
            // A host without IPv6 cannot have this problem.
            let Ok(taken) = TcpListener::bind((ip.parse::<IpAddr>().unwrap(), 0)) else { continue };

            assert!(!listeners.is_free(taken.local_addr().unwrap().port()).unwrap(), "{ip}");
        }
        let port = free_addr(&mut listeners).unwrap().port();
        assert!(listeners.is_free(port).unwrap());
    }
}
