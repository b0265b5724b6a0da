//! The loopback address of this host: 127.0.0.1, or `[::1]` where only IPv6 is configured.
//!
//! Some containers and network namespaces have no IPv4 address at all. Found out by binding, the one question whose
//! answer does not depend on routes, on privileges or on how a system lists its interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// The loopback address to listen on and to connect to.
///
/// 127.0.0.1 also where neither address can be bound: an error that names it is the one people know how to search for.
pub fn loopback() -> IpAddr {
    // A datagram socket: it takes a port for a moment and listens for nothing that could connect to it.
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
    fn ipv4_comes_first_and_ipv6_where_it_is_alone() {
        assert!(first_usable(|_| true).is_ipv4());
        assert!(first_usable(|ip| ip.is_ipv6()).is_ipv6());
        assert!(first_usable(|_| false).is_ipv4());
    }

    #[test]
    fn a_listener_can_be_bound_there() {
        assert!(loopback().is_loopback() && TcpListener::bind((loopback(), 0)).is_ok());
    }
}
