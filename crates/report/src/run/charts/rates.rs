//! The rates at which the client sent and read.

use echoctl_record::Sample;

use super::{finish, is_echo};
use crate::{Chart, Ink, Series, Stroke, Unit};

/// Bytes sent and bytes read per second, averaged over half a second.
pub fn rates(samples: &[Sample]) -> Chart {
    let chart = Chart::lines("Rates at which the client sent and read", Unit::Rate)
        .series(Series::new("sent", Ink::Orange, Stroke::Solid, rate(samples, |sample| sample.produced)))
        .series(Series::new("read", Ink::Blue, Stroke::Dashed, rate(samples, |sample| sample.consumed)));
    // A single request stops by itself, and so may the input of a server that need not echo.
    let text = match is_echo(samples) {
        true => "Where sending stops while nothing is read, backpressure blocks the client.",
        false => "Both are averages over half a second.",
    };
    finish(chart, samples, text)
}

/// The growth of a counter per second, over spans of at least `WINDOW`; each point is in the middle of its span.
fn rate(samples: &[Sample], counter: fn(&Sample) -> u64) -> Vec<(f64, f64)> {
    let mut start = 0;
    let point = |(end, sample): (usize, &Sample)| {
        while start + 1 < end && sample.t - samples[start + 1].t >= WINDOW {
            start += 1;
        }
        let earlier = &samples[start];
        let seconds = sample.t - earlier.t;
        let grown = counter(sample).saturating_sub(counter(earlier)) as f64;
        (seconds >= WINDOW).then(|| ((sample.t + earlier.t) / 2.0, grown / seconds))
    };
    samples.iter().enumerate().filter_map(point).collect()
}

/// Seconds: ten samples, because bytes on loopback move in bursts of megabytes, which a shorter span would draw as spikes.
const WINDOW: f64 = 0.5;
