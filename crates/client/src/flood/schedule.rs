//! Decides what the consumer does at each time of a run.

use std::time::Duration;

use super::Reading;

impl Reading {
    /// What to do at `elapsed` after the start of the run.
    pub(super) fn at(self, elapsed: Duration) -> ReadMode {
        match self {
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

/// How the consumer is to read. Times count from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadMode {
    /// Read everything available, and ask again at `until`.
    Unlimited {
        /// When this changes; `None`: never.
        until: Option<Duration>,
    },
    /// Read at most this many bytes per second.
    Limited(u64),
    /// Read nothing, and ask again at `until`.
    Stopped {
        /// When this changes; `None`: never.
        until: Option<Duration>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_pauses_and_resumes_on_schedule() {
        let second = Duration::from_secs;
        let reading = Reading::Pause { from: second(3), until: second(8) };

        assert_eq!(reading.at(second(0)), ReadMode::Unlimited { until: Some(second(3)) });
        assert_eq!(reading.at(second(3)), ReadMode::Stopped { until: Some(second(8)) });
        assert_eq!(reading.at(second(8)), ReadMode::Unlimited { until: None });
    }

    #[test]
    fn reading_for_a_time_stops_for_good() {
        let reading = Reading::For(Duration::from_secs(2));

        assert_eq!(reading.at(Duration::from_secs(2)), ReadMode::Stopped { until: None });
    }
}
