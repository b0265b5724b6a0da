//! The addresses at which the other hosts of a room reach this one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use if_addrs::get_if_addrs;

/// The IPv4 addresses of this host, except those of loopback and of a link without any server of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lan {
    /// Those of private networks, the likely one of the room first.
    pub(crate) private: Vec<LanAddress>,
    /// Those that the internet may reach.
    pub(crate) public: Vec<LanAddress>,
}

/// An address, and the interface that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LanAddress {
    pub(crate) ip: Ipv4Addr,
    pub(crate) interface: String,
}

impl Lan {
    /// The addresses now.
    ///
    /// # Errors
    /// If the system does not list them.
    pub(crate) fn here() -> io::Result<Lan> {
        let up = get_if_addrs()?
            .into_iter()
            .filter(|interface| !interface.is_loopback() && interface.is_oper_up());
        let all = up.filter_map(|interface| match interface.ip() {
            IpAddr::V4(ip) => Some(LanAddress { ip, interface: interface.name }),
            IpAddr::V6(_) => None,
        });
        Ok(Lan::of(all, default_route()))
    }

    /// Of these addresses, of which the one of the default route leads to other networks.
    fn of(all: impl Iterator<Item = LanAddress>, default_route: Option<Ipv4Addr>) -> Lan {
        let (mut private, public): (Vec<_>, Vec<_>) =
            all.filter(|address| !address.ip.is_link_local()).partition(|address| is_private(address.ip));
        private.sort_by_key(|address| (default_route != Some(address.ip), is_virtual(&address.interface)));
        Lan { private, public }
    }

    /// All, the private ones first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &LanAddress> {
        self.private.iter().chain(&self.public)
    }
}

/// Whether an address is of a network that the internet does not reach: RFC 1918, or RFC 6598, which large sites use as well.
fn is_private(ip: Ipv4Addr) -> bool {
    let [first, second, ..] = ip.octets();
    ip.is_private() || first == 100 && (64..128).contains(&second)
}

/// Whether an interface leads to machines inside this host, such as containers, and not to a room.
fn is_virtual(interface: &str) -> bool {
    const PREFIXES: [&str; 10] =
        ["br-", "cali", "cni", "docker", "flannel", "lxc", "lxdbr", "vbox", "veth", "virbr"];
    PREFIXES.iter().any(|prefix| interface.starts_with(prefix))
}

/// The address from which this host reaches other networks. Connecting a UDP socket chooses a route and sends nothing.
fn default_route() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // Any address that is on no network of this host: this one is reserved for documentation.
    socket.connect((Ipv4Addr::new(203, 0, 113, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_room_is_the_first() {
        let listed = [
            ("docker0", [172, 17, 0, 1]),
            ("eth0", [10, 1, 2, 3]),
            ("wlan0", [192, 168, 0, 7]),
            ("eth1", [169, 254, 9, 9]),
            ("eth2", [198, 41, 0, 4]),
            ("wwan0", [100, 64, 0, 9]),
        ];
        let lan = |route: [u8; 4]| {
            let all =
                listed.map(|(interface, ip)| LanAddress { ip: ip.into(), interface: interface.to_owned() });
            Lan::of(all.into_iter(), Some(route.into()))
        };
        let names = |addresses: &[LanAddress]| {
            addresses.iter().map(|address| address.interface.clone()).collect::<Vec<_>>()
        };

        assert_eq!(names(&lan([192, 168, 0, 7]).private), ["wlan0", "eth0", "wwan0", "docker0"]);
        assert_eq!(names(&lan([198, 41, 0, 4]).private), ["eth0", "wlan0", "wwan0", "docker0"]);
        assert_eq!(names(&lan([198, 41, 0, 4]).public), ["eth2"]);
    }
}
