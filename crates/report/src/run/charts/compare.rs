//! Two runs on one pair of axes.

use echoctl_record::{Queue, Queues, Run, Sample};

use super::points;
use crate::{Chart, Ink, Series, Stroke, Unit};

/// The growth of the server's memory, the bytes inside it, and the bytes sent, of two runs: the first in solid orange, the second in
/// dashed blue. Of two watches, what waits in the queues in place of what was sent. A quantity that was visible in neither run is left
/// out.
pub fn compare(first: (&str, &Run), second: (&str, &Run)) -> Vec<Chart> {
    let are_watches = first.1.watch().is_some() && second.1.watch().is_some();
    let pens = [(first, Ink::Orange, Stroke::Solid), (second, Ink::Blue, Stroke::Dashed)];
    let chart = |title: &str, description: &str, value: fn(&[Sample]) -> Vec<(f64, f64)>| {
        let series = pens.iter().filter_map(|((label, run), ink, stroke)| {
            let mut series = Series::new(*label, *ink, *stroke, value(&run.samples));
            let peak = Unit::Bytes.print(series.peak()?);
            series.label = format!("{label}: {peak}");
            Some(series)
        });
        series.fold(Chart::lines(title, Unit::Bytes).describe(description), Chart::series)
    };
    let charts = [
        chart(
            "Growth of the server's memory since the start",
            "The figures are the maxima of each run.",
            growth,
        ),
        chart(
            "Bytes inside the server",
            "Read by the server and not yet written back. The figures are the maxima of each run.",
            |samples| points(samples, |sample| Queues::of(sample)[Queue::Inside]),
        ),
        match are_watches {
            true => chart(
                "Bytes in the kernels' queues",
                "Over all connections, as far as they are visible. The figures are the maxima of each run.",
                |samples| points(samples, in_kernels),
            ),
            false => chart(
                "Sent",
                "Total sent by each client. Where a line is flat, the client was blocked, or had sent everything.",
                |samples| points(samples, |sample| Some(sample.produced)),
            ),
        },
    ];
    charts.into_iter().filter(|chart| !chart.series.is_empty()).collect()
}

/// What waits in those of the kernels' queues that are visible.
fn in_kernels(sample: &Sample) -> Option<u64> {
    let queues = Queues::of(sample);
    let kernels = Queue::ALL.into_iter().filter(|queue| queue.is_kernel());
    kernels.filter_map(|queue| queues[queue]).reduce(u64::saturating_add)
}

fn growth(samples: &[Sample]) -> Vec<(f64, f64)> {
    let mut memory = points(samples, |sample| sample.server_memory);
    let start = memory.first().map_or(0.0, |(_, start)| *start);
    memory.iter_mut().for_each(|(_, memory)| *memory -= start);
    memory
}
