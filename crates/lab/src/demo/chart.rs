//! Draws both servers' memory on one pair of axes, and lists where the bytes were.

use echoctl_record::{Bytes, Queue, Queues, Sample};
use echoctl_report::{Chart, Ink, Series, Stroke, Table, Unit, charts, shown};

use super::{Outcome, Plan, SideOutcome};

/// The growth of both servers' memory since the start, with the phases of the clients. Also for a run in progress.
pub fn memory(plan: &Plan, off: &[Sample], on: &[Sample]) -> Chart {
    let now = off.last().map_or(0.0, |sample| sample.t);
    let until = now.max(plan.resumes_at() + 2.0);
    let chart = Chart::lines("Growth of the two servers' memory", Unit::Bytes)
        .describe(
            "Growth of each server's memory since the start, while the clients read, do not read, and read again. Memory \
             that rises while they do not read holds replies that they have not read. The data has one row for each \
             sample of either server.",
        )
        .series(growth("OFF", Ink::Orange, Stroke::Solid, off))
        .series(growth("ON", Ink::Blue, Stroke::Dashed, on));
    let up_to = Some((plan.rate * plan.stop.as_secs()) as f64);
    with_phases(Chart { until: Some(until), up_to, ..chart }, plan, until)
}

/// What each client had written, over time.
pub(super) fn progress(outcome: &Outcome) -> Chart {
    let points = |side: &SideOutcome, value: fn(&Sample) -> u64| {
        side.samples.iter().map(|sample| (sample.t, value(sample) as f64)).collect()
    };
    let plan = &outcome.plan;
    let chart = Chart::lines("Written by the two clients", Unit::Bytes)
        .describe(
            "Bytes written by each client. A line that is level below the total belongs to a client that was held back. The \
             data has one row for each sample of either client.",
        )
        .series(Series::new("OFF", Ink::Orange, Stroke::Solid, points(&outcome.off, |sample| sample.produced)))
        .series(Series::new("ON", Ink::Blue, Stroke::Dashed, points(&outcome.on, |sample| sample.produced)))
        .limit(plan.total as f64, "all");
    with_phases(chart, plan, end(plan, &[&outcome.off, &outcome.on]))
}

/// Every queue on the path of one side, over time, on an axis of its own. Maxima are those of the stall.
pub(super) fn queues(name: &str, outcome: &Outcome, side: &SideOutcome) -> Chart {
    let plan = &outcome.plan;
    let chart = charts::queues_during(&side.samples, &outcome.limits, side.stall(plan));
    let chart = Chart { title: format!("{name}: bytes in flight, by location"), phases: Vec::new(), ..chart };
    with_phases(chart, plan, end(plan, &[side]))
}

fn with_phases(chart: Chart, plan: &Plan, end: f64) -> Chart {
    let (stops, resumes) = (plan.read.as_secs_f64(), plan.resumes_at());
    chart.phase(0.0, stops, "reads").phase(stops, resumes, "does not read").phase(resumes, end, "reads again")
}

/// Time of the last sample in seconds, and not before the end of the stall.
fn end(plan: &Plan, sides: &[&SideOutcome]) -> f64 {
    let last = sides.iter().filter_map(|side| side.samples.last());
    last.map(|sample| sample.t).fold(plan.resumes_at(), f64::max)
}

/// Every place on the path where bytes can be, at the end of the stall.
pub fn where_the_bytes_were(outcome: &Outcome) -> Table {
    let plan = &outcome.plan;
    let caption = format!(
        "Where the bytes were just before {} s, when the clients did not yet read",
        plan.resumes_at()
    );
    let (off, on) = (outcome.off.when_stopped(plan), outcome.on.when_stopped(plan));
    let [off_queues, on_queues] = [&off, &on].map(|sample| Queues::within(sample, &outcome.limits));
    let row = |name: &str, off: Option<u64>, on: Option<u64>| {
        [name.to_owned(), shown(off.map(Bytes)), shown(on.map(Bytes))]
    };
    let mut table = Table::new(caption, ["", "OFF", "ON"]).row(row(
        "written by the client",
        Some(off.produced),
        Some(on.produced),
    ));
    for queue in Queue::ALL {
        let name = match queue {
            Queue::ClientSend => "  in the client's send queue (kernel)",
            Queue::ServerReceive => "  in the server's receive queue (kernel)",
            Queue::Inside => "  waiting inside the server (not in the kernel)",
            Queue::ServerSend => "  in the server's send queue (kernel)",
            Queue::ClientReceive => "  in the client's receive queue (kernel)",
        };
        table = table.row(row(name, off_queues[queue], on_queues[queue]));
    }
    table.row(row("read back by the client", Some(off.consumed), Some(on.consumed)))
}

fn growth(label: &str, ink: Ink, stroke: Stroke, samples: &[Sample]) -> Series {
    let first = samples.first().and_then(|sample| sample.server_memory).unwrap_or(0);
    let point = |sample: &Sample| Some((sample.t, sample.server_memory?.saturating_sub(first) as f64));
    Series::new(label, ink, stroke, samples.iter().filter_map(point).collect())
}
