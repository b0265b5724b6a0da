//! The residents after everything else has left.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::resident::Resident;
use crate::soak::Resources;
use crate::soak::resources::Threads;

/// The resources of all residents, in their order, before anything else comes.
pub(super) fn fresh(residents: &mut [Resident]) -> Result<Vec<Resources>> {
    settled(residents, HELPERS_GONE_AFTER, |_, _| true)
}

/// The same after everything else has left, once each is as it was before. After a deadline, as they are.
pub(super) fn at_rest(residents: &mut [Resident], threads: Threads) -> Result<Vec<Resources>> {
    settled(residents, UNCHANGED_FOR, |now, fresh| is_as_before(now, fresh, threads))
}

/// Waits until all fulfil the condition and have not changed for this long.
fn settled(
    residents: &mut [Resident],
    unchanged_for: Duration,
    is_settled: impl Fn(&Resources, &Resources) -> bool,
) -> Result<Vec<Resources>> {
    let deadline = Instant::now() + SETTLES_WITHIN;
    let (mut last, mut since) = (all(residents)?, Instant::now());
    loop {
        let mut each = residents.iter().zip(&last);
        let all_settled = each.all(|(resident, now)| is_settled(now, &resident.readings.fresh));
        if (all_settled && since.elapsed() >= unchanged_for) || Instant::now() >= deadline {
            return Ok(last);
        }
        thread::sleep(Duration::from_millis(50));
        let now = all(residents)?;
        if is_moving(&last, &now) {
            since = Instant::now();
        }
        last = now;
    }
}

/// Whether a program without clients has as many open files as before the first one, and as many threads where
/// they count. Its memory is judged over all rounds.
pub(super) fn is_as_before(now: &Resources, fresh: &Resources, threads: Threads) -> bool {
    now.descriptors == fresh.descriptors && (now.threads == fresh.threads || threads == Threads::AnyNumber)
}

fn is_moving(last: &[Resources], now: &[Resources]) -> bool {
    last.iter().zip(now).any(|(last, now)| {
        last.memory.abs_diff(now.memory) > STILL || !is_as_before(now, last, Threads::AsBefore)
    })
}

fn all(residents: &mut [Resident]) -> Result<Vec<Resources>> {
    residents.iter_mut().map(Resident::resources).collect()
}

/// Far longer than the ten seconds after which tokio's idle helper threads exit.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// Longer than the ten seconds after which the helper threads of what was done before exit.
const HELPERS_GONE_AFTER: Duration = Duration::from_secs(12);

/// Longer than the second after which a server returns freed memory to the system.
const UNCHANGED_FOR: Duration = Duration::from_millis(1500);

/// Bytes: a class writes its state twice per second, for which it needs a page now and then.
const STILL: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_descriptor_is_not_as_before() {
        let before = Resources::default();
        let after = Resources { descriptors: before.descriptors + 1, ..before };

        assert!(is_as_before(&before, &before, Threads::AsBefore));
        assert!(!is_as_before(&after, &before, Threads::AnyNumber));
    }

    #[test]
    fn threads_count_where_they_may_not_differ() {
        let before = Resources::default();
        let after = Resources { threads: before.threads + 1, ..before };

        assert!(!is_as_before(&after, &before, Threads::AsBefore));
        assert!(is_as_before(&after, &before, Threads::AnyNumber));
    }
}
