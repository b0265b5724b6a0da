//! The samples of the last second: how fast a counter or a queue has been changing.

use std::collections::VecDeque;

use echoctl_record::{Rate, Sample};

/// The samples of the last second, or of a few.
#[derive(Debug)]
pub struct Recent {
    samples: VecDeque<Sample>,
    seconds: f64,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent::over(TREND_SECONDS)
    }
}

impl Recent {
    /// Keeps the samples of this many seconds.
    pub fn over(seconds: f64) -> Recent {
        Recent { samples: VecDeque::new(), seconds }
    }

    /// Adds one sample, and drops those that are too old.
    pub fn add(&mut self, sample: Sample) {
        while self.samples.front().is_some_and(|oldest| sample.t - oldest.t > self.seconds) {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// The newest sample.
    pub fn last(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// `+64 MiB/s`, `-2 MiB/s` or `steady`, for a queue of `bytes`.
    pub fn trend(&self, of: impl Fn(&Sample) -> Option<u64>, bytes: u64) -> String {
        match self.slope(of) {
            None => String::new(),
            Some(slope) if slope.abs() < STEADY.max(bytes as f64 / 50.0) => "steady".to_owned(),
            Some(slope) if slope > 0.0 => format!("+{}", Rate(slope)),
            Some(slope) => format!("-{}", Rate(-slope)),
        }
    }

    /// The rate of a cumulative counter.
    pub fn flow(&self, of: impl Fn(&Sample) -> Option<u64>) -> String {
        self.slope(of).map(|slope| Rate(slope.max(0.0)).to_string()).unwrap_or_default()
    }

    /// The mean rate of a cumulative counter over all samples; `None` before the second one.
    pub fn mean(&self, of: impl Fn(&Sample) -> u64) -> Option<Rate> {
        let (oldest, now) = (self.samples.front()?, self.samples.back()?);
        let seconds = now.t - oldest.t;
        (seconds > 0.0).then(|| Rate(of(now).saturating_sub(of(oldest)) as f64 / seconds))
    }

    /// Change per second, over all samples or over their later half, whichever is less. So neither a jump that is over
    /// nor one that has just begun counts as a trend. `None` in the first tenths of a second.
    pub fn slope(&self, of: impl Fn(&Sample) -> Option<u64>) -> Option<f64> {
        let (oldest, now) = (self.samples.front()?, self.samples.back()?);
        let middle = self.samples.get((self.samples.len() - 1) / 2)?;
        (now.t - oldest.t > MIN_TREND_SECONDS).then_some(())?;
        let since = |then: &Sample| Some((of(now)? as f64 - of(then)? as f64) / (now.t - then.t));
        let (whole, half) = (since(oldest)?, since(middle)?);
        if whole.signum() != half.signum() {
            return Some(0.0);
        }
        Some(if whole.abs() < half.abs() { whole } else { half })
    }
}

/// Seconds over which a trend is computed. Shorter ones flicker, longer ones lag.
const TREND_SECONDS: f64 = 1.0;

/// Shortest time that can show a trend.
const MIN_TREND_SECONDS: f64 = 0.3;

/// Bytes per second below which a queue is steady: a tenth of the slowest rate worth watching.
const STEADY: f64 = 100.0 * 1024.0;
