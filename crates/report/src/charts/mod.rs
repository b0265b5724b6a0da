//! The charts of a run: where its bytes were, what they cost in memory, how the window closed, how fast they went.
//!
//! All have the time axis of the run and its phases, so that they can be read one below the other: what rises in one
//! is what falls in the next. Orange is the server's own memory, blue the kernel's.
//!
//! A quantity that this system did not show is left out, and the description says so.

mod compare;
mod phases;
mod rates;

use echoctl_record::{Queues, Sample};

pub use compare::compare;
pub use phases::phases;
pub use rates::rates;

use crate::{Chart, Ink, Series, Stroke, Unit};

/// The five queues from the producer (above) to the consumer (below). Together they are what was produced and not
/// yet consumed.
pub fn queues(samples: &[Sample]) -> Chart {
    let held: Vec<(f64, Queues)> = samples.iter().map(|sample| (sample.t, Queues::of(sample))).collect();
    let band = |label: &str, ink, stroke, queue: fn(&Queues) -> Option<u64>| {
        let points = held.iter().filter_map(|(t, queues)| Some((*t, queue(queues)? as f64)));
        Series::new(label, ink, stroke, points.collect())
    };
    let bands = [
        band("client send queue", Ink::Blue, Stroke::Dotted, |queues| queues.client_send),
        band("server receive queue", Ink::Blue, Stroke::Dashed, |queues| queues.server_receive),
        band("inside the server", Ink::Orange, Stroke::Solid, |queues| queues.inside_server),
        band("server send queue", Ink::Blue, Stroke::Solid, |queues| queues.server_send),
        band("client receive queue", Ink::Blue, Stroke::DashDot, |queues| queues.client_receive),
    ];
    let chart = Chart::bands("Where the bytes are: sent and not yet read back", Unit::Bytes);
    let chart = with_visible(chart, bands);
    let said = match most(&chart, "inside the server") {
        Some(peak) => format!(
            "From the client that sends (above) to the client that reads (below). At most {} were inside the server: \
             read by it and not yet written back. All others were in queues of the kernel.",
            Unit::Bytes.print(peak)
        ),
        None => "From the client that sends (above) to the client that reads (below).".to_owned(),
    };
    finish(chart, samples, &said)
}

/// The server's memory and the kernel's for its sockets.
pub fn memory(samples: &[Sample]) -> Chart {
    let band = |label: &str, ink, stroke, memory: fn(&Sample) -> Option<u64>| {
        let points = samples.iter().filter_map(|sample| Some((sample.t, memory(sample)? as f64)));
        Series::new(label, ink, stroke, points.collect())
    };
    let bands = [
        band("kernel, for the sockets", Ink::Blue, Stroke::Dashed, |sample| sample.kernel_memory),
        band("server", Ink::Orange, Stroke::Solid, |sample| sample.server_memory),
    ];
    let chart =
        with_visible(Chart::bands("Memory of the server, and of the kernel for it", Unit::Bytes), bands);
    let part = |name: &str, what: &str| {
        most(&chart, name).map(|peak| format!("at most {} {what}", Unit::Bytes.print(peak)))
    };
    let parts = [
        part("server", "in the server"),
        part("kernel, for the sockets", "in the kernel, which no process's memory shows"),
    ];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    let said = if said.is_empty() { String::new() } else { format!("Memory in use: {}.", said.join(", ")) };
    finish(chart, samples, &said)
}

/// The receive window that the server's kernel offered to the client: at 0 the client may send nothing more.
pub fn window(samples: &[Sample]) -> Chart {
    let window = samples.iter().filter_map(|sample| Some((sample.t, sample.window? as f64))).collect();
    let chart = with_visible(
        Chart::lines("Receive window: how much more the client may send", Unit::Bytes),
        [Series::new("window", Ink::Blue, Stroke::Solid, window)],
    );
    let closed = closed_seconds(samples);
    let said = if closed > 0.0 {
        format!(
            "The window was 0 for {} in all: backpressure had reached the client's kernel.",
            Unit::Seconds.print(closed)
        )
    } else {
        "The window never closed.".to_owned()
    };
    let said = if chart.series.is_empty() { "" } else { said.as_str() };
    finish(chart, samples, said)
}

/// Adds those of `series` that have points, and names the others in the description.
fn with_visible<const N: usize>(mut chart: Chart, all: [Series; N]) -> Chart {
    let (visible, hidden): (Vec<Series>, Vec<Series>) =
        all.into_iter().partition(|series| !series.points().is_empty());
    chart.series = visible;
    if !hidden.is_empty() {
        let names: Vec<&str> = hidden.iter().map(|series| series.label.as_str()).collect();
        chart.description = format!("Not visible here: {}.", names.join(", "));
    }
    chart
}

/// Puts what is said before what is not visible, and adds the time axis and the phases of the run.
fn finish(chart: Chart, samples: &[Sample], said: &str) -> Chart {
    let description = [said, chart.description.as_str()].join(" ").trim().to_owned();
    let until = samples.iter().map(|sample| sample.t).reduce(f64::max);
    Chart { description, until, phases: phases(samples), ..chart }
}

fn most(chart: &Chart, name: &str) -> Option<f64> {
    chart.series.iter().find(|series| series.label == name)?.peak()
}

/// Seconds for which the window was 0: from the first sample that says so to the first that does not.
fn closed_seconds(samples: &[Sample]) -> f64 {
    let is_shut = |pair: &&[Sample]| pair[0].window == Some(0);
    samples.windows(2).filter(is_shut).map(|pair| (pair[1].t - pair[0].t).max(0.0)).sum()
}

#[cfg(test)]
mod tests;
