//! A CPU that something else uses.

/// For how long a CPU counts as crowded, in intervals.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    left: u32,
    /// The whole length, and what has passed since it ended.
    length: u32,
    since: u32,
}

impl Crowd {
    pub(super) fn begin(&mut self) {
        // Once it has been calm for as long, it starts from the beginning.
        let is_new = self.length == 0 || self.since > self.length;
        self.length = if is_new { SHORTEST } else { (self.length * 2).min(LONGEST) };
        (self.left, self.since) = (self.length, 0);
    }

    pub(super) fn end(&mut self) {
        self.left = 0;
    }

    /// An interval has passed.
    pub(super) fn pass(&mut self) {
        match self.left {
            0 => self.since = self.since.saturating_add(1),
            _ => self.left -= 1,
        }
    }

    pub(super) fn lasts(&self) -> bool {
        self.left > 0
    }
}

/// Intervals for which it lasts at first, and at most: 4 s and about a minute.
const SHORTEST: u32 = 40;
const LONGEST: u32 = 640;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many intervals it lasts from now on.
    fn lasts(crowd: &mut Crowd) -> u32 {
        crowd.begin();
        let mut intervals = 0;
        while crowd.lasts() {
            crowd.pass();
            intervals += 1;
        }
        intervals
    }

    #[test]
    fn it_lasts_twice_as_long_each_time_until_it_was_calm() {
        let mut crowd = Crowd::default();
        assert!(!crowd.lasts());

        let lengths: Vec<u32> = (0..6).map(|_| lasts(&mut crowd)).collect();

        assert_eq!(lengths, [40, 80, 160, 320, 640, 640]);
        (0..=LONGEST).for_each(|_| crowd.pass());
        assert_eq!(lasts(&mut crowd), SHORTEST);
    }

    #[test]
    fn it_ends_at_once_when_others_need_the_cpu() {
        let mut crowd = Crowd::default();
        crowd.begin();

        crowd.end();

        assert!(!crowd.lasts());
    }
}
