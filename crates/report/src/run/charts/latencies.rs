//! Round-trip times by their share.

use echoctl_record::{Latencies, Latency};

use crate::{Chart, Ink, Series, Stroke, Unit};

/// The time that each share of the frames did not exceed, from the shortest to the longest.
pub fn latencies(latencies: &Latencies) -> Chart {
    let at = |(quantile, _)| latencies.quantile(quantile);
    let points = Latencies::QUANTILES.into_iter().map(at).enumerate();
    let points = points.filter_map(|(step, time)| Some((step as f64, time?))).collect();
    let chart = Chart::lines("Round-trip time by share of the frames", Unit::Latency);
    match [0.5, 0.99, 1.0].map(|quantile| latencies.quantile(quantile).map(Latency)) {
        [Some(median), Some(p99), Some(max)] => chart
            .describe(format!(
                "Half of the frames were back within {median}, 99 of 100 within {p99}, the slowest after {max}."
            ))
            .series(Series::new("round-trip time", Ink::Blue, Stroke::Solid, points))
            .steps(Latencies::QUANTILES.map(|(_, name)| name)),
        _ => chart.describe("No frame came back."),
    }
}
