//! What a ping comes to, as a table for people and as an object for programs.

use std::fmt;
use std::time::Duration;

use echoctl_client::{PingConfig, PingOutcome};
use echoctl_record::SCHEMA_VERSION;
use serde::Serialize;

/// The summary as it stands in the JSON: times in seconds, absent where no frame came back.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    schema_version: u32,
    target: String,
    framing: &'static str,
    size: usize,
    connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u64>,
    seconds: f64,
    count: u64,
    unsent: u64,
    #[serde(flatten)]
    times: Option<Times>,
    /// The instrument's own part of the times at a fixed rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    late_p99: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Times {
    min: f64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Summary {
    pub(super) fn new(config: &PingConfig, outcome: &PingOutcome) -> Summary {
        Summary {
            schema_version: SCHEMA_VERSION,
            target: config.addr.to_string(),
            framing: config.framing.name(),
            size: config.size,
            connections: config.connections,
            rate: config.rate,
            seconds: outcome.elapsed.as_secs_f64(),
            count: outcome.latencies.count(),
            unsent: outcome.unsent,
            times: Times::of(outcome),
            late_p50: seconds(outcome.lateness.quantile(0.5)),
            late_p99: seconds(outcome.lateness.quantile(0.99)),
            faults: outcome.faults.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether so few frames were left unsent that the times stand for all of them.
    pub(super) fn has_kept_up(&self) -> bool {
        // When the time ends, the last frames may be due and their connections still busy: that is no fault.
        self.unsent <= (self.count / UNSENT_PER_SENT).max(self.connections as u64)
    }
}

impl Times {
    fn of(outcome: &PingOutcome) -> Option<Times> {
        let latencies = &outcome.latencies;
        let quantile = |quantile| seconds(latencies.quantile(quantile));
        Some(Times {
            min: seconds(latencies.min())?,
            mean: seconds(latencies.mean())?,
            p50: quantile(0.5)?,
            p90: quantile(0.9)?,
            p99: quantile(0.99)?,
            p999: quantile(0.999)?,
            max: seconds(latencies.max())?,
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.connections == 1 { "" } else { "s" };
        writeln!(
            f,
            "{}: {} frames of {} bytes ({}) there and back in {:.2} s, {} connection{plural}, {}",
            self.target,
            self.count,
            self.size,
            self.framing,
            self.seconds,
            self.connections,
            self.rate.map_or("each after the last".to_owned(), |rate| format!("{rate} a second by plan")),
        )?;
        if let Some(times) = &self.times {
            let rows = [
                ("fastest", times.min),
                ("mean", times.mean),
                ("p50", times.p50),
                ("p90", times.p90),
                ("p99", times.p99),
                ("p99.9", times.p999),
                ("slowest", times.max),
            ];
            for (name, seconds) in rows {
                write!(f, "\n  {name:8}{:>12}", time(seconds))?;
            }
            write!(f, "\n\n{:.0} frames a second", self.count as f64 / self.seconds)?;
        }
        if let (Some(p50), Some(p99)) = (self.late_p50, self.late_p99) {
            write!(f, "; of the times, our own late wake-ups are p50 {}, p99 {}", time(p50), time(p99))?;
        }
        if self.unsent > 0 {
            write!(f, "; {} more were due and not sent before the time was over", self.unsent)?;
        }
        if !self.has_kept_up() {
            write!(
                f,
                "\nThe server did not keep up: the times are of those sent, the others would have waited longer."
            )?;
        }
        Ok(())
    }
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}

/// A time with four digits at most, in the unit that suits it.
fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let decimals = usize::from(value < 100.0);
    format!("{value:.decimals$} {unit}")
}

/// One frame unsent for so many sent is what the end of the time explains.
const UNSENT_PER_SENT: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_a_unit_that_suits_them() {
        assert_eq!(time(0.000_018_24), "18.2 µs");
        assert_eq!(time(0.000_999), "999 µs");
        assert_eq!(time(0.012), "12.0 ms");
        assert_eq!(time(3.0), "3.0 s");
    }
}
