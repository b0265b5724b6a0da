//! Counts the bytes that connections hold against the memory limit, before they are allocated.
//!
//! ```text
//! 0                         buffered - releasing         buffered            limit
//! | of connections that stay | of those being ended | still free     |
//! ```
//!
//! What is counted is allocated capacity: reply queues and frame buffers. Bytes are taken with one compare-and-exchange, so
//! that growths on several threads cannot pass one check together: [`try_add`](Account::try_add) never exceeds the limit.
//! [`add`](Account::add) may, by what one read left over: see `frames` for when that is, and `shared` for what follows.
//!
//! A connection that is ended for the limit gives its bytes back when its own task or thread has woken. Until then they are
//! counted as buffered and as releasing: nobody else takes them yet, and nobody else is ended in the meantime for their sake.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The bytes buffered by all connections of a server.
#[derive(Debug)]
pub(crate) struct Account {
    limit: u64,
    buffered: AtomicU64,
    /// The most it was since somebody last looked.
    peak: AtomicU64,
    /// Of `buffered`, what connections that are being ended will give back.
    releasing: AtomicU64,
}

impl Account {
    /// An account of at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Account {
        Account { limit, buffered: AtomicU64::new(0), peak: AtomicU64::new(0), releasing: AtomicU64::new(0) }
    }

    /// Takes `bytes`, or nothing and returns false when they would exceed the limit.
    pub(crate) fn try_add(&self, bytes: usize) -> bool {
        let sum = |buffered: u64| buffered.checked_add(bytes as u64).filter(|&sum| sum <= self.limit);
        let taken = self.buffered.fetch_update(Relaxed, Relaxed, sum);
        if let Ok(before) = taken {
            self.note_peak(before + bytes as u64);
        }
        taken.is_ok()
    }

    /// Takes `bytes` that are there already. Returns false when they exceed the limit.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let buffered = self.buffered.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        self.note_peak(buffered);
        buffered <= self.limit
    }

    /// Gives `bytes` back.
    pub(crate) fn subtract(&self, bytes: usize) {
        self.buffered.fetch_sub(bytes as u64, Relaxed);
    }

    /// Notes that `bytes` that are buffered will be given back soon.
    pub(crate) fn begin_release(&self, bytes: usize) {
        self.releasing.fetch_add(bytes as u64, Relaxed);
    }

    /// Notes that a promise is kept: the bytes have been given back.
    pub(crate) fn finish_release(&self, bytes: usize) {
        self.releasing.fetch_sub(bytes as u64, Relaxed);
    }

    /// Whether `bytes` more would fit.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        self.buffered().saturating_add(bytes as u64) <= self.limit
    }

    /// Whether `bytes` more will fit once all promises are kept.
    pub(crate) fn will_fit(&self, bytes: usize) -> bool {
        let staying = self.buffered().saturating_sub(self.releasing.load(Relaxed));
        staying.saturating_add(bytes as u64) <= self.limit
    }

    /// Bytes buffered now.
    pub(crate) fn buffered(&self) -> u64 {
        self.buffered.load(Relaxed)
    }

    /// The most bytes that were buffered since this was last asked.
    pub(crate) fn take_peak(&self) -> u64 {
        self.peak.swap(0, Relaxed).max(self.buffered())
    }

    fn note_peak(&self, buffered: u64) {
        if buffered > self.peak.load(Relaxed) {
            self.peak.fetch_max(buffered, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn growths_on_many_threads_never_exceed_the_limit() {
        const LIMIT: u64 = 100_000;
        let account = Account::new(LIMIT);

        let refused: usize = std::thread::scope(|scope| {
            let grower = |seed| {
                let account = &account;
                move || {
                    let (mut random, mut own, mut refused) = (StdRng::seed_from_u64(seed), 0, 0);
                    for _ in 0..20_000 {
                        let bytes = random.random_range(0..30_000);
                        if random.random_bool(0.5) {
                            match account.try_add(bytes) {
                                true => own += bytes,
                                false => refused += 1,
                            }
                        } else {
                            account.subtract(bytes.min(own));
                            own -= bytes.min(own);
                        }
                        assert!(account.buffered() <= LIMIT, "{account:?}");
                    }
                    account.subtract(own);
                    refused
                }
            };
            let growers: Vec<_> = (0..8).map(|seed| scope.spawn(grower(seed))).collect();
            growers.into_iter().map(|grower| grower.join().unwrap()).sum()
        });

        assert!(refused > 0, "the limit was reached");
        assert!(account.take_peak() <= LIMIT, "{account:?}");
        assert_eq!(account.buffered(), 0);
    }

    #[test]
    fn what_is_promised_is_held_until_it_is_given_back() {
        let account = Account::new(100);
        assert!(account.try_add(90));
        account.begin_release(60);

        assert!(!account.try_add(20) && !account.fits(20));
        assert!(account.will_fit(20) && account.will_fit(70) && !account.will_fit(71));

        account.subtract(60);
        account.finish_release(60);
        assert!(account.try_add(70) && !account.will_fit(1));
    }
}
