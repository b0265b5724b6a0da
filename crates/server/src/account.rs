//! Counts the bytes that connections buffer against the memory limit, before they are allocated.
//!
//! ```text
//! 0                         buffered - releasing        buffered        limit
//! | of connections that stay | of those being closed    | free          |
//! ```
//!
//! What counts is allocated capacity: reply queues and frame buffers. Bytes are added with one compare-and-exchange, so that
//! connections that grow on several threads cannot pass the check together: [`try_add`](Account::try_add) never exceeds the limit of its time.
//! [`add`](Account::add) may, by what one read left over: see `frames` for when that happens, and `shared` for what follows.
//!
//! A connection that is closed for the limit frees its bytes when its own task or thread has woken up. Until then they count as
//! buffered and as about to be released: no other connection can use them yet, and no other is closed in the meantime.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The bytes buffered by all connections of a server.
#[derive(Debug)]
pub(crate) struct Account {
    limit: AtomicU64,
    buffered: AtomicU64,
    /// Maximum of `buffered` since [`take_peak`](Account::take_peak) was last called.
    peak: AtomicU64,
    /// The part of `buffered` that belongs to connections that are being closed.
    releasing: AtomicU64,
}

impl Account {
    /// An account of at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Account {
        Account {
            limit: AtomicU64::new(limit),
            buffered: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            releasing: AtomicU64::new(0),
        }
    }

    /// The limit now, in bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.limit.load(Relaxed)
    }

    /// Changes the limit. More than that may be buffered then.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Relaxed);
    }

    /// Adds `bytes`, unless they would exceed the limit. Returns whether it did.
    pub(crate) fn try_add(&self, bytes: usize) -> bool {
        let limit = self.limit();
        let sum = |buffered: u64| buffered.checked_add(bytes as u64).filter(|&sum| sum <= limit);
        let taken = self.buffered.fetch_update(Relaxed, Relaxed, sum);
        taken.inspect(|before| self.note_peak(before + bytes as u64)).is_ok()
    }

    /// Adds `bytes` that are allocated already. Returns false if they exceed the limit.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let buffered = self.buffered.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        self.note_peak(buffered);
        buffered <= self.limit()
    }

    /// Subtracts `bytes`, which have been freed.
    pub(crate) fn subtract(&self, bytes: usize) {
        self.buffered.fetch_sub(bytes as u64, Relaxed);
    }

    /// Records that `bytes` are about to be freed, since their connection is being closed.
    pub(crate) fn begin_release(&self, bytes: usize) {
        self.releasing.fetch_add(bytes as u64, Relaxed);
    }

    /// Records that these `bytes` have been freed.
    pub(crate) fn finish_release(&self, bytes: usize) {
        self.releasing.fetch_sub(bytes as u64, Relaxed);
    }

    /// Whether `bytes` more would fit.
    pub(crate) fn fits(&self, bytes: usize) -> bool {
        self.buffered().saturating_add(bytes as u64) <= self.limit()
    }

    /// Whether `bytes` more will fit once all connections that are being closed are gone.
    pub(crate) fn will_fit(&self, bytes: usize) -> bool {
        let staying = self.buffered().saturating_sub(self.releasing.load(Relaxed));
        staying.saturating_add(bytes as u64) <= self.limit()
    }

    /// Bytes buffered now.
    pub(crate) fn buffered(&self) -> u64 {
        self.buffered.load(Relaxed)
    }

    /// Maximum number of bytes buffered since the last call.
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
    fn growth_on_many_threads_never_exceeds_the_limit() {
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
    fn bytes_to_be_released_count_until_they_are_freed() {
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
