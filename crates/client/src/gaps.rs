//! The gaps: which frame numbers were passed over, so that a frame that comes late is not taken for one that comes twice.
//!
//! Bounded: [`MAX_GAPS`] gaps are remembered, the oldest forgotten first. A server that drops every other frame makes a gap a
//! frame; what comes later than so many gaps counts as duplicated.

use std::collections::VecDeque;
use std::ops::Range;

/// Numbers that were passed over and may still come.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    /// Ascending, not touching.
    ranges: VecDeque<Range<u64>>,
}

impl Gaps {
    /// Remembers that `numbers` were passed over. They are larger than any remembered before.
    pub(crate) fn remember(&mut self, numbers: Range<u64>) {
        self.ranges.push_back(numbers);
        self.forget_the_oldest();
    }

    /// Whether `number` was passed over and has not come since; from now on it has.
    pub(crate) fn take(&mut self, number: u64) -> bool {
        let at = self.ranges.partition_point(|range| range.end <= number);
        let Some(range) = self.ranges.get_mut(at).filter(|range| range.contains(&number)) else {
            return false;
        };
        let behind = number + 1..range.end;
        range.end = number;
        if range.is_empty() {
            self.ranges.remove(at);
            if !behind.is_empty() {
                self.ranges.insert(at, behind);
            }
        } else if !behind.is_empty() {
            self.ranges.insert(at + 1, behind);
            self.forget_the_oldest();
        }
        true
    }

    fn forget_the_oldest(&mut self) {
        if self.ranges.len() > MAX_GAPS {
            self.ranges.pop_front();
        }
    }
}

/// Gaps remembered at most: 64 KiB of them.
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
            assert!(gaps.take(number), "{number} was passed over");
            assert!(!gaps.take(number), "{number} has come");
        }
        assert!(!gaps.take(7));
        assert!(gaps.ranges.is_empty());
    }

    #[test]
    fn a_server_that_drops_for_ever_does_not_fill_our_memory() {
        let mut gaps = Gaps::default();

        for number in 0..100_000 {
            gaps.remember(2 * number..2 * number + 1);
        }

        assert_eq!(gaps.ranges.len(), MAX_GAPS);
    }
}
