//! The charts of a run: where its bytes were, the memory in use, the windows that hold each side back, and the rates.
//!
//! All have the time axis of the run and its phases, so that they can be read one below the other: what rises in one is
//! what falls in the next. Orange is the server's own memory, blue is the kernel's.
//!
//! A quantity that is not visible on this system is left out, and the description names it.

mod class;
mod compare;
mod latencies;
mod phases;
mod rates;
mod windows;

use std::ops::RangeInclusive;

use echoctl_record::{Queue, Queues, Run, Sample, SocketLimits};

pub use class::with_policies;
pub use compare::compare;
pub use latencies::latencies;
pub use phases::{phases, stall};
pub use rates::rates;
pub use windows::{Clients, output, window};

use crate::{Chart, Ink, Series, Stroke, Unit};

/// Whether enough waited anywhere in a run that its queues, windows and memory are worth drawing. Of a ping, usually one frame does.
pub fn has_backlog(samples: &[Sample]) -> bool {
    samples.iter().any(|sample| sample.in_flight() >= BACKLOG || sample.window == Some(0))
}

/// That of a watched server says nothing while it is open: its clients may never send.
fn is_window_of_interest(run: &Run) -> bool {
    run.watch().is_none() || run.samples.iter().any(|sample| sample.window == Some(0))
}

/// The charts of flow control: what is pending, the windows, and the rates.
pub fn flow_control(run: &Run) -> Vec<Chart> {
    let clients = if run.watch().is_some() { Clients::Many } else { Clients::One };
    let window = is_window_of_interest(run).then(|| window(&run.samples));
    output(&run.samples, clients).into_iter().chain(window).chain([rates(&run.samples)]).collect()
}

/// The five queues from the producer (top) to the consumer (bottom). Their sum is what was produced and not yet consumed.
///
/// Maxima in the key and in the description are those of the time in which the client did not read, if the run has one, and
/// else of the whole run. No queue of a kernel exceeds `limits`.
pub fn queues(samples: &[Sample], limits: &SocketLimits) -> Chart {
    let stall = stall(&phases(samples));
    queues_with_peaks(samples, limits, stall)
}

/// As [`queues`], for a run of which the caller knows when its client did not read: from and to, in seconds.
pub fn queues_during(samples: &[Sample], limits: &SocketLimits, stall: RangeInclusive<f64>) -> Chart {
    queues_with_peaks(samples, limits, Some(stall))
}

fn queues_with_peaks(samples: &[Sample], limits: &SocketLimits, stall: Option<RangeInclusive<f64>>) -> Chart {
    let bands = Queue::ALL.map(|queue| {
        let (ink, stroke) = match queue {
            Queue::ClientSend => (Ink::Blue, Stroke::Dotted),
            Queue::ServerReceive => (Ink::Blue, Stroke::Dashed),
            Queue::Inside => (Ink::Orange, Stroke::Solid),
            Queue::ServerSend => (Ink::Blue, Stroke::Solid),
            Queue::ClientReceive => (Ink::Blue, Stroke::DashDot),
        };
        Series::new(
            queue.label(),
            ink,
            stroke,
            points(samples, |sample| Queues::within(sample, limits)[queue]),
        )
    });
    let is_echo = is_echo(samples);
    let title = match is_echo {
        true => "Bytes in flight, by location",
        false => "Bytes in the kernels' queues",
    };
    // Of a server that need not echo the band does not exist, rather than being hidden.
    let bands = bands.into_iter().filter(|series| is_echo || series.label != INSIDE);
    let chart = with_visible(Chart { peak_span: stall, ..Chart::bands(title, Unit::Bytes) }, bands);
    let order = "From the client that sends (top) to the client that reads (bottom).";
    let text = match peak(&chart, INSIDE) {
        Some(peak) => {
            let (peak, rest) = (Unit::Bytes.print(peak), "the rest was in kernel queues");
            match chart.peak_span {
                Some(_) => format!(
                    "{order} While the client did not read, at most {peak} was inside the server (read and not yet \
                     written back); {rest}. The legend shows the maximum of each queue while the client did not read."
                ),
                None => format!(
                    "{order} At most {peak} was inside the server (read and not yet written back); {rest}."
                ),
            }
        }
        None if is_echo => order.to_owned(),
        None => {
            format!("{order} What is inside the server cannot be computed: it need not write what it reads.")
        }
    };
    finish(chart, samples, &text)
}

/// The server's memory, and the kernel memory of its sockets.
pub fn memory(samples: &[Sample]) -> Chart {
    let band = |label: &str, ink, stroke, memory: fn(&Sample) -> Option<u64>| {
        Series::new(label, ink, stroke, points(samples, memory))
    };
    let bands = [
        band(KERNEL, Ink::Blue, Stroke::Dashed, |sample| sample.kernel_memory),
        band("server", Ink::Orange, Stroke::Solid, |sample| sample.server_memory),
    ];
    let chart = with_visible(Chart::bands("Memory of the server and of its sockets", Unit::Bytes), bands);
    let part = |name: &str, what: &str| {
        peak(&chart, name).map(|peak| format!("at most {} {what}", Unit::Bytes.print(peak)))
    };
    let parts = [
        part("server", "in the server"),
        part(KERNEL, "in the kernel, which the memory of no process includes"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let text = if parts.is_empty() { String::new() } else { format!("Memory in use: {}.", parts.join(", ")) };
    finish(chart, samples, &text)
}

/// Whether what the server reads and what it writes may be compared: nothing says that it need not echo.
pub(crate) fn is_echo(samples: &[Sample]) -> bool {
    samples.iter().all(|sample| sample.is_echo != Some(false))
}

/// A value over time, where it was visible.
fn points(samples: &[Sample], value: impl Fn(&Sample) -> Option<u64>) -> Vec<(f64, f64)> {
    samples.iter().filter_map(|sample| Some((sample.t, value(sample)? as f64))).collect()
}

/// Adds those of `series` that have points, and names the others in the description.
fn with_visible(mut chart: Chart, all: impl IntoIterator<Item = Series>) -> Chart {
    let (visible, hidden): (Vec<Series>, Vec<Series>) =
        all.into_iter().partition(|series| !series.points().is_empty());
    chart.series = visible;
    if !hidden.is_empty() {
        let names: Vec<&str> = hidden.iter().map(|series| series.label.as_str()).collect();
        chart.description = format!("Not visible here: {}.", names.join(", "));
    }
    chart
}

/// Puts `text` before the note on what is not visible, and adds the time axis and the phases of the run.
fn finish(chart: Chart, samples: &[Sample], text: &str) -> Chart {
    let description = [text, chart.description.as_str()].join(" ").trim().to_owned();
    let until = samples.iter().map(|sample| sample.t).reduce(f64::max);
    Chart { description, until, phases: phases(samples), ..chart }
}

fn peak(chart: &Chart, name: &str) -> Option<f64> {
    chart.peak(chart.series.iter().find(|series| series.label == name)?)
}

/// Bytes in flight from which on a run has a backlog: more than the frames of a ping, and less than any full queue.
const BACKLOG: u64 = 64 << 10;

/// The band of the bytes in the server's own memory.
const INSIDE: &str = Queue::Inside.label();

/// The band of the kernel's memory.
const KERNEL: &str = "kernel, for the sockets";

#[cfg(test)]
mod tests;
