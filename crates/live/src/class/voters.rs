//! The voters: pages that this server has given a number, a limited number of them per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::access::Secret;
use super::viewers::{MAX_PER_SITE, site};

/// All voters.
#[derive(Debug, Clone, Default)]
pub(super) struct Voters(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    voters: HashMap<String, Voter>,
    /// Counts voters, and so orders them.
    last: u64,
}

#[derive(Debug)]
struct Voter {
    site: IpAddr,
    /// The larger, the later it came.
    came: u64,
    /// Number of event streams that it has open.
    streams: usize,
    has_voted: bool,
}

/// A voter with an event stream, which keeps its number until it is dropped.
#[derive(Debug)]
pub(super) struct Connected {
    voters: Voters,
    number: String,
}

impl Voters {
    /// The voter with the number that the page has kept, or a new one. `None` if the address has too many: all of them are connected
    /// or have voted.
    pub(super) fn join(&self, peer: IpAddr, kept: Option<&str>) -> Option<Connected> {
        let mut table = self.table();
        let number = match kept.filter(|kept| table.voters.contains_key(*kept)) {
            Some(kept) => kept.to_owned(),
            None => table.admit(site(peer))?,
        };
        table.voters.get_mut(&number)?.streams += 1;
        Some(Connected { voters: self.clone(), number })
    }

    /// Notes that it votes, and returns its address; `None` if no such number was given.
    pub(super) fn vote(&self, number: &str) -> Option<IpAddr> {
        let mut table = self.table();
        let voter = table.voters.get_mut(number)?;
        voter.has_voted = true;
        Some(voter.site)
    }

    /// Another question is asked, for which none has voted yet.
    pub(super) fn forget_votes(&self) {
        for voter in self.table().voters.values_mut() {
            voter.has_voted = false;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn admit(&mut self, site: IpAddr) -> Option<String> {
        let of_site = self.voters.values().filter(|voter| voter.site == site).count();
        if of_site >= MAX_PER_SITE {
            self.forget_oldest(|voter| voter.site == site)?;
        } else if self.voters.len() >= MAX_VOTERS {
            self.forget_oldest(|_| true)?;
        }
        let number = Secret::new(NUMBER_LETTERS).ok()?.reveal().to_owned();
        self.last += 1;
        let voter = Voter { site, came: self.last, streams: 0, has_voted: false };
        self.voters.insert(number.clone(), voter);
        Some(number)
    }

    /// Makes room: one that is gone, and has not voted, gets another number when it comes back.
    fn forget_oldest(&mut self, of: impl Fn(&Voter) -> bool) -> Option<()> {
        let gone =
            self.voters.iter().filter(|(_, voter)| of(voter) && voter.streams == 0 && !voter.has_voted);
        let oldest = gone.min_by_key(|(_, voter)| voter.came)?.0.clone();
        self.voters.remove(&oldest);
        Some(())
    }
}

impl Connected {
    pub(super) fn number(&self) -> &str {
        &self.number
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(voter) = self.voters.table().voters.get_mut(&self.number) {
            voter.streams -= 1;
        }
    }
}

/// Voters of all addresses: several times the viewers, since a phone that comes back without its number is another voter.
const MAX_VOTERS: usize = 1024;

/// 80 bits.
const NUMBER_LETTERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn a_page_keeps_its_number() {
        let voters = Voters::default();
        let number = voters.join(PEER, None).unwrap().number().to_owned();

        assert_eq!(voters.join(PEER, Some(&number)).unwrap().number(), number);
        assert_ne!(voters.join(PEER, Some("no such number")).unwrap().number(), number);
        assert_eq!(voters.vote(&number), Some(PEER));
        assert_eq!(voters.vote("no such number"), None);
    }

    #[test]
    fn one_address_has_a_limited_number_of_votes() {
        let voters = Voters::default();
        let voted = (0..10_000)
            .filter_map(|_| voters.join(PEER, None))
            .filter(|voter| voters.vote(voter.number()).is_some())
            .count();

        assert_eq!(voted, MAX_PER_SITE);
        assert!(voters.join(IpAddr::from([10, 0, 0, 2]), None).is_some());
        voters.forget_votes();
        assert!(voters.join(PEER, None).is_some(), "for the next question");
    }

    #[test]
    fn all_addresses_together_have_a_limited_number_too() {
        let voters = Voters::default();
        for n in 0..3 * MAX_VOTERS {
            drop(voters.join(IpAddr::from([10, 0, (n >> 8) as u8, n as u8]), None));
        }

        assert_eq!(voters.table().voters.len(), MAX_VOTERS);
    }
}
