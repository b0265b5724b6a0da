//! Counts the bytes that connections hold against the memory limit, before they are allocated.
//!
//! ```text
//! 0                         held - promised         held            limit
//! | of connections that stay | of those being ended | still free     |
//! ```
//!
//! What is counted is allocated capacity: reply queues and frame buffers. Bytes are taken with one compare-and-exchange, so
//! that growths on several threads cannot pass one check together: [`try_take`](Account::try_take) never exceeds the limit.
//! [`take`](Account::take) may, by what one read left over: see `frames` for when that is, and `shared` for what follows.
//!
//! A connection that is ended for the limit gives its bytes back when its own task or thread has woken. Until then they are
//! counted as held and as promised: nobody else takes them yet, and nobody else is ended in the meantime for their sake.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The bytes held by all connections of a server.
#[derive(Debug)]
pub(crate) struct Account {
    limit: u64,
    held: AtomicU64,
    /// The most it was since somebody last looked.
    peak: AtomicU64,
    /// Of `held`, what connections that are being ended will give back.
    promised: AtomicU64,
}

impl Account {
    /// An account of at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Account {
        Account { limit, held: AtomicU64::new(0), peak: AtomicU64::new(0), promised: AtomicU64::new(0) }
    }

    /// Takes `bytes`, or nothing and returns false when they would exceed the limit.
    pub(crate) fn try_take(&self, bytes: usize) -> bool {
        let sum = |held: u64| held.checked_add(bytes as u64).filter(|&sum| sum <= self.limit);
        let taken = self.held.fetch_update(Relaxed, Relaxed, sum);
        if let Ok(before) = taken {
            self.note_peak(before + bytes as u64);
        }
        taken.is_ok()
    }

    /// Takes `bytes` that are there already. Returns false when they exceed the limit.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let held = self.held.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        self.note_peak(held);
        held <= self.limit
    }

    /// Gives `bytes` back.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes as u64, Relaxed);
    }

    /// Notes that `bytes` that are held will be given back soon.
    pub(crate) fn promise(&self, bytes: usize) {
        self.promised.fetch_add(bytes as u64, Relaxed);
    }

    /// Notes that a promise is kept: the bytes have been given back.
    pub(crate) fn keep_promise(&self, bytes: usize) {
        self.promised.fetch_sub(bytes as u64, Relaxed);
    }

    /// Whether `bytes` more would fit.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        self.held().saturating_add(bytes as u64) <= self.limit
    }

    /// Whether `bytes` more will fit once all promises are kept.
    pub(crate) fn will_fit(&self, bytes: usize) -> bool {
        let staying = self.held().saturating_sub(self.promised.load(Relaxed));
        staying.saturating_add(bytes as u64) <= self.limit
    }

    /// Bytes held now.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// The most bytes that were held since this was last asked.
    pub(crate) fn take_peak(&self) -> u64 {
        self.peak.swap(0, Relaxed).max(self.held())
    }

    fn note_peak(&self, held: u64) {
        if held > self.peak.load(Relaxed) {
            self.peak.fetch_max(held, Relaxed);
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
                            match account.try_take(bytes) {
                                true => own += bytes,
                                false => refused += 1,
                            }
                        } else {
                            account.give_back(bytes.min(own));
                            own -= bytes.min(own);
                        }
                        assert!(account.held() <= LIMIT, "{account:?}");
                    }
                    account.give_back(own);
                    refused
                }
            };
            let growers: Vec<_> = (0..8).map(|seed| scope.spawn(grower(seed))).collect();
            growers.into_iter().map(|grower| grower.join().unwrap()).sum()
        });

        assert!(refused > 0, "the limit was reached");
        assert!(account.take_peak() <= LIMIT, "{account:?}");
        assert_eq!(account.held(), 0);
    }

    #[test]
    fn what_is_promised_is_held_until_it_is_given_back() {
        let account = Account::new(100);
        assert!(account.try_take(90));
        account.promise(60);

        assert!(!account.try_take(20) && !account.fits(20));
        assert!(account.will_fit(20) && account.will_fit(70) && !account.will_fit(71));

        account.give_back(60);
        account.keep_promise(60);
        assert!(account.try_take(70) && !account.will_fit(1));
    }
}
