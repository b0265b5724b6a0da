//! The loopback address of this host: 127.0.0.1, or `[::1]` on a host with only IPv6.
//!
//! Some containers and network namespaces have no IPv4 address at all. This is tested by binding, since a bind does
//! not depend on routes, on privileges, or on how a system lists its interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The loopback address to listen on and to connect to.
///
/// It is 127.0.0.1 also if neither address can be bound, since an error with this address is easier to search for.
pub fn loopback() -> IpAddr {
    // A datagram socket: it occupies a port only for a moment and accepts no connections.
    first_usable(|ip| UdpSocket::bind((ip, 0)).is_ok())
}

fn first_usable(can_bind: impl Fn(IpAddr) -> bool) -> IpAddr {
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    if !can_bind(v4) && can_bind(v6) { v6 } else { v4 }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn ipv4_is_preferred_to_ipv6() {
        assert!(first_usable(|_| true).is_ipv4());
        assert!(first_usable(|ip| ip.is_ipv6()).is_ipv6());
        assert!(first_usable(|_| false).is_ipv4());
    }

    #[test]
    fn a_listener_can_be_bound_there() {
        assert!(loopback().is_loopback() && TcpListener::bind((loopback(), 0)).is_ok());
    }
}
