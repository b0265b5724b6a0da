//! The schedule: what the consumer does at each time of the run.

use std::time::Duration;

use crate::Reading;

/// Says at any time whether to read. Value in, value out: the consumer obeys.
#[derive(Debug, Clone, Copy)]
pub struct Schedule(Reading);

impl Schedule {
    /// The schedule of this way of reading.
    pub fn new(reading: Reading) -> Schedule {
        Schedule(reading)
    }

    /// What to do `elapsed` after the start of the run.
    pub fn at(&self, elapsed: Duration) -> ReadMode {
        match self.0 {
            Reading::All => ReadMode::Unlimited { until: None },
            Reading::Nothing => ReadMode::Stopped { until: None },
            Reading::AtRate(rate) => ReadMode::Limited(rate),
            Reading::For(end) if elapsed < end => ReadMode::Unlimited { until: Some(end) },
            Reading::For(_) => ReadMode::Stopped { until: None },
            Reading::Pause { from, .. } if elapsed < from => ReadMode::Unlimited { until: Some(from) },
            Reading::Pause { until, .. } if elapsed < until => ReadMode::Stopped { until: Some(until) },
            Reading::Pause { .. } => ReadMode::Unlimited { until: None },
        }
    }
}

/// What the consumer is to do. Times count from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// Read whatever is there, and ask again at `until`.
    Unlimited {
        /// When this ends, if it does.
        until: Option<Duration>,
    },
    /// Read so many bytes a second.
    Limited(u64),
    /// Read nothing, and ask again at `until`.
    Stopped {
        /// When this ends, if it does.
        until: Option<Duration>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_and_goes_on_when_it_was_told_to() {
        let second = Duration::from_secs;
        let schedule = Schedule::new(Reading::Pause { from: second(3), until: second(8) });

        assert_eq!(schedule.at(second(0)), ReadMode::Unlimited { until: Some(second(3)) });
        assert_eq!(schedule.at(second(3)), ReadMode::Stopped { until: Some(second(8)) });
        assert_eq!(schedule.at(second(8)), ReadMode::Unlimited { until: None });
    }

    #[test]
    fn reading_for_a_while_ends_for_good() {
        let schedule = Schedule::new(Reading::For(Duration::from_secs(2)));

        assert_eq!(schedule.at(Duration::from_secs(2)), ReadMode::Stopped { until: None });
    }
}
