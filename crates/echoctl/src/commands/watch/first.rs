//! The first of many values in some order, without a list of all of them.

use std::cmp::Ordering;

/// Collects the first `number` of the values that are added.
#[derive(Debug)]
pub(super) struct First<T, F> {
    number: usize,
    order: F,
    /// The first ones so far, and some more.
    kept: Vec<T>,
    /// There are enough that are not behind this one.
    last: Option<T>,
}

impl<T: Copy, F: Fn(&T, &T) -> Ordering> First<T, F> {
    pub(super) fn new(number: usize, order: F) -> First<T, F> {
        First { number, order, kept: Vec::new(), last: None }
    }

    /// The first `number` of `all`, in no particular order.
    pub(super) fn of(all: impl IntoIterator<Item = T>, number: usize, order: F) -> Vec<T> {
        let mut first = First::new(number, order);
        all.into_iter().for_each(|value| first.add(value));
        first.finish()
    }

    /// Adds a value. Of many, most cost one comparison.
    pub(super) fn add(&mut self, value: T) {
        if self.last.is_some_and(|last| (self.order)(&value, &last).is_gt()) {
            return;
        }
        self.kept.push(value);
        if self.kept.len() >= self.number.saturating_mul(2).max(LEAST) {
            self.drop_rest();
        }
    }

    /// Those that are the first, in no particular order.
    pub(super) fn finish(mut self) -> Vec<T> {
        self.drop_rest();
        self.kept
    }

    fn drop_rest(&mut self) {
        if self.number > 0 && self.number < self.kept.len() {
            let (_, last, _) = self.kept.select_nth_unstable_by(self.number - 1, &self.order);
            self.last = Some(*last);
        }
        self.kept.truncate(self.number);
    }
}

/// Values from which on the rest is dropped.
const LEAST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_found_in_any_order_of_adding() {
        for count in [0, 1, 9, 10, 11, 31, 32, 33, 1000] {
            let all: Vec<u32> = (0..count).map(|index| index * 7919 % 1009).collect();
            for number in [0, 1, 10, 500, usize::MAX] {
                let mut found = First::of(all.iter().copied(), number, Ord::cmp);
                found.sort_unstable();

                let mut sorted = all.clone();
                sorted.sort_unstable();
                sorted.truncate(number);
                assert_eq!(found, sorted, "{number} of {count}");
            }
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_values() {
        let mut first = First::new(10, |one: &u32, other: &u32| other.cmp(one));

        (0..100_000).for_each(|value| first.add(value));

        assert!(first.kept.capacity() <= 2 * LEAST, "{}", first.kept.capacity());
        assert_eq!(first.finish().into_iter().min(), Some(99_990));
    }
}
