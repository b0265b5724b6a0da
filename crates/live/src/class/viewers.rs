//! How many viewers there are at a time, and how many of one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;

use super::reply::Failure;

/// All viewers.
#[derive(Debug, Clone, Default)]
pub(super) struct Viewers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One viewer, until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    viewers: Viewers,
    site: IpAddr,
}

impl Viewers {
    /// Admits a viewer.
    pub(super) fn admit(&self, peer: IpAddr) -> Result<Ticket, Failure> {
        let site = site(peer);
        let mut counts = self.counts();
        let refused = |why: String| Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, why));
        if counts.get(&site).is_some_and(|&count| count >= MAX_PER_SITE) {
            return refused(format!("your address already has {MAX_PER_SITE} viewers: close another page"));
        }
        let remote: usize =
            counts.iter().filter(|(site, _)| !site.is_loopback()).map(|(_, count)| count).sum();
        if !site.is_loopback() && remote >= MAX_VIEWERS {
            return refused(format!("the page already has {MAX_VIEWERS} viewers"));
        }
        *counts.entry(site).or_default() += 1;
        Ok(Ticket { viewers: self.clone(), site })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.viewers.counts();
        if let Some(count) = counts.get_mut(&self.site) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.site);
            }
        }
    }
}

/// Addresses that one client can have as many of as it likes count as one: those of a network of IPv6.
pub(super) fn site(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(addr) if !addr.is_loopback() => {
            let [a, b, c, d, ..] = addr.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        addr => addr,
    }
}

/// Viewers from other hosts: a lecture hall. The host of the page has its own places, so that nothing takes the projector's.
const MAX_VIEWERS: usize = 250;

/// Viewers of one address: a classroom behind one router.
pub(super) const MAX_PER_SITE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_an_address_and_of_all_are_limited() {
        let viewers = Viewers::default();
        let from = |d: usize| IpAddr::from([192, 168, 1, d as u8]);
        let mut tickets: Vec<_> = (0..MAX_PER_SITE).map(|_| viewers.admit(from(1)).unwrap()).collect();

        assert!(viewers.admit(from(1)).is_err());
        tickets.extend((MAX_PER_SITE..MAX_VIEWERS).map(|n| viewers.admit(from(2 + n % 200)).unwrap()));
        assert!(viewers.admit(from(250)).is_err());
        assert!(viewers.admit(IpAddr::from([127, 0, 0, 1])).is_ok());
        tickets.clear();
        assert!(viewers.counts().is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let site = |addr: &str| site(addr.parse().unwrap());

        assert_eq!(site("2001:db8:1:2::3"), site("2001:db8:1:2:ffff::9"));
        assert_ne!(site("2001:db8:1:2::3"), site("2001:db8:1:3::3"));
        assert_eq!(site("::ffff:10.0.0.1"), site("10.0.0.1"));
        assert!(site("::1").is_loopback());
    }
}
