//! Converts the result of a flood's client to the summary of a recording.
//!
//! The client crate does not depend on recordings, nor the record crate on the client: this crate knows both.

use echoctl_client::Outcome;
use echoctl_record::{Integrity, Summary};

/// The client's part of the summary of a flood of `target`. The caller adds the measurements of the server and the verdict.
pub fn summary(outcome: &Outcome, target: String) -> Summary {
    let totals = &outcome.totals;
    Summary {
        seconds: outcome.elapsed.as_secs_f64(),
        connections: u32::try_from(outcome.endings.len()).unwrap_or(u32::MAX),
        produced: totals.produced,
        consumed: totals.consumed,
        integrity: Some(Integrity {
            verified: totals.verified,
            lost: totals.lost,
            duplicated: totals.duplicated,
            reordered: totals.reordered,
            mismatched: totals.mismatched,
        }),
        stalled_seconds: totals.longest_stall.as_secs_f64(),
        ..Summary::new(target)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use echoctl_client::{Ending, Totals};

    use super::*;

    #[test]
    fn the_summary_has_every_count_of_the_client() {
        let totals = Totals {
            produced: 1,
            consumed: 2,
            verified: 3,
            lost: 4,
            duplicated: 5,
            reordered: 6,
            mismatched: 7,
            longest_stall: Duration::from_secs(8),
            ..Totals::default()
        };
        let endings = vec![Ending::Complete, Ending::LeftUnread];
        let outcome = Outcome { elapsed: Duration::from_secs(9), totals, endings, drain: None };

        let summary = summary(&outcome, "127.0.0.1:7007".to_owned());

        let integrity = Integrity { verified: 3, lost: 4, duplicated: 5, reordered: 6, mismatched: 7 };
        assert_eq!((summary.produced, summary.consumed), (1, 2));
        assert_eq!(summary.integrity, Some(integrity));
        assert_eq!((summary.stalled_seconds, summary.seconds, summary.connections), (8.0, 9.0, 2));
        assert_eq!((summary.target.as_str(), summary.verdict), ("127.0.0.1:7007", None));
    }
}
