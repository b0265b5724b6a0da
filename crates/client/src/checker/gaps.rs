//! Remembers skipped frame numbers, to distinguish a late frame from a duplicate.
//!
//! Bounded: it stores [`MAX_GAPS`] gaps, and forgets the oldest first. A server that drops every other frame creates
//! one gap per frame; a frame that is late by more gaps than that counts as duplicated.

use std::collections::VecDeque;
use std::ops::Range;

/// Numbers that were skipped and may still arrive.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// Ascending and not adjacent.
    ranges: VecDeque<Range<u64>>,
}

impl Gaps {
    /// Remembers that `numbers` were skipped. They are larger than all numbers remembered before.
    pub(crate) fn remember(&mut self, numbers: Range<u64>) {
        self.ranges.push_back(numbers);
        self.forget_the_oldest();
    }

    /// Returns whether `number` was skipped and has not arrived since; from now on it has arrived.
    pub(crate) fn take(&mut self, number: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.end <= number);
        if !self.ranges.get(at).is_some_and(|range| range.contains(&number)) {
            return false;
        }
        let range = self.ranges.remove(at).unwrap_or_default();
        for rest in [number + 1..range.end, range.start..number] {
            if !rest.is_empty() {
                self.ranges.insert(at, rest);
            }
        }
        self.forget_the_oldest();
        true
    }

    fn forget_the_oldest(&mut self) {
        if self.ranges.len() > MAX_GAPS {
            self.ranges.pop_front();
        }
    }
}

/// Maximum number of gaps: 64 KiB.
const MAX_GAPS: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_a_gap_is_taken_once() {
        let mut gaps = Gaps::default();
        gaps.remember(3..6);
        gaps.remember(10..11);

        for number in [4, 3, 5, 10] {
            assert!(gaps.take(number), "{number} was skipped");
            assert!(!gaps.take(number), "{number} has arrived");
        }
        assert!(!gaps.take(7));
        assert!(gaps.ranges.is_empty());
    }

    #[test]
    fn endless_drops_do_not_fill_the_memory() {
        let mut gaps = Gaps::default();

        for number in 0..100_000 {
            gaps.remember(2 * number..2 * number + 1);
        }

        assert_eq!(gaps.ranges.len(), MAX_GAPS);
    }
}
