//! The tables of a run: where its bytes were at one moment, its totals, and the machine. Terminals and pages show the same.

mod census;
mod class;
mod culprits;
mod environment;
mod grown_process;
mod latencies;
mod machines;
mod other_clients;

use std::collections::HashMap;

use echoctl_record::{
    Bytes, Ending, Integrity, Queue, Queues, Run, Sample, Seconds, SocketLimits, Summary, Verdict,
    WatchSummary, peak_during,
};

pub use census::census;
pub use class::changes;
pub use culprits::{culprits, culprits_of, listeners, worst};
pub use environment::environment;
pub use grown_process::grown_process;
use latencies::ping_table;
pub use machines::machines;
pub use other_clients::other_clients;

use crate::{Table, charts, shown};

/// Every place on the path at the time of `sample`, from producer to consumer. Of an echo, what was sent is what was read back plus
/// everything in between. No queue of a kernel exceeds `limits`.
pub fn path(sample: &Sample, limits: &SocketLimits) -> Table {
    let queues = Queues::within(sample, limits);
    let row = |what: &str, owner: &str, bytes: Option<u64>| {
        [what.to_owned(), owner.to_owned(), shown(bytes.map(Bytes))]
    };
    let mut table = Table::new(
        format!("Where the bytes were at the peak ({})", Seconds(sample.t)),
        ["place", "in memory of", "bytes"],
    )
    .row(row("written by the client", "", Some(sample.produced)));
    // A server that need not echo has no such figure, and what it sends is not what it was sent.
    let is_echo = sample.is_echo != Some(false);
    for queue in Queue::ALL.into_iter().filter(|queue| is_echo || queue.is_kernel()) {
        let memory = match queue {
            Queue::ClientSend | Queue::ClientReceive => "the client's kernel",
            Queue::ServerReceive | Queue::ServerSend => "the server's kernel",
            Queue::Inside => "the server",
        };
        table = table.row(row(&format!("  {}", queue.label()), memory, queues[queue]));
    }
    let read = if is_echo { "read back by the client" } else { "read by the client" };
    let table = table.row(row(read, "", Some(sample.consumed)));
    match queues.clamped {
        0 => table,
        clamped => table.row(row("counted twice (in motion)", "", Some(clamped))),
    }
}

/// Totals of a run, of a client or of a watch; `None` for one that was interrupted.
pub fn ending(run: &Run) -> Option<Table> {
    Some(match run.ending.as_ref()? {
        Ending::Flood { summary } | Ending::Audit { summary, .. } => {
            client_table(summary, inside_server(run))
        }
        Ending::Ping { ping } => ping_table(ping),
        Ending::Watch { watch } => watch_table(&run.target, watch),
    })
}

/// The most bytes inside the server, and whether that is the maximum of the time in which the client did not read; a run without
/// such a time has that of the whole run. `None` where it is not known, as with a server that need not echo.
pub fn inside_server(run: &Run) -> Option<(u64, bool)> {
    let summary = run.summary()?.inside_server?;
    if !charts::is_echo(&run.samples) {
        return None;
    }
    let inside = |sample: &Sample| Queues::of(sample)[Queue::Inside];
    let stall = charts::stall(&charts::phases(&run.samples));
    match stall.and_then(|stall| peak_during(&run.samples, stall, inside)) {
        Some(peak) => Some((peak, true)),
        None => Some((summary, false)),
    }
}

fn watch_table(target: &str, watch: &WatchSummary) -> Table {
    Table::default()
        .entry("server", Some(target))
        .entry("connections seen", Some(watch.connections_seen))
        .entry("most at the same time", Some(watch.max_connections))
        .entry("duration", Some(Seconds(watch.seconds)))
        .entry("maximum in all queues", Some(Bytes(watch.max_queued)))
        .entry("maximum growth of the server's memory", watch.server_memory_growth.map(Bytes))
        .entry("maximum kernel memory of the connections", watch.max_kernel_memory.map(Bytes))
        .entry("exited during the watch", watch.server_exited.map(|pid| format!("process {pid}")))
}

/// Totals of a run of the client. What was not counted has no row.
fn client_table(summary: &Summary, inside: Option<(u64, bool)>) -> Table {
    let is_checked = |integrity: &Integrity| summary.consumed > 0 || integrity.has_faults();
    let checked = summary.integrity.filter(is_checked);
    let blocked = match summary.stalled_seconds {
        // An audit blocks the client only if it has more to send.
        0.0 if summary.integrity.is_none() => None,
        0.0 => Some("not blocked".to_owned()),
        seconds => Some(Seconds(seconds).to_string()),
    };
    let (inside, is_of_stall) = inside.unzip();
    // Short, so that two runs side by side fit a terminal. So is the row of the process.
    let stalled = if is_of_stall == Some(true) { " (stalled)" } else { "" };
    Table::default()
        .entry("server", Some(&summary.target))
        .entry("its process", summary.server_pid)
        .entry("connections", Some(summary.connections))
        .entry("duration", Some(Seconds(summary.seconds)))
        .entry("sent", Some(Bytes(summary.produced)))
        .entry("read back", Some(Bytes(summary.consumed)))
        .entry("  intact and in order", checked.map(|frames| Bytes(frames.verified)))
        .entry("frames lost", checked.map(|frames| frames.lost))
        .entry("frames duplicated", checked.map(|frames| frames.duplicated))
        .entry("frames out of order", checked.map(|frames| frames.reordered))
        .entry("frames corrupted", checked.map(|frames| frames.mismatched))
        .entry("longest time blocked", blocked)
        .entry("maximum growth of the server's memory", summary.server_memory_growth.map(Bytes))
        .entry(&format!("maximum inside the server{stalled}"), inside.map(Bytes))
        .entry("verdict", summary.verdict)
        .entry("findings", several(&summary.findings))
}

/// The names of several findings; a single one is the verdict.
fn several(findings: &[Verdict]) -> Option<String> {
    let names: Vec<&str> = findings.iter().map(|finding| finding.name()).collect();
    (names.len() > 1).then(|| names.join(", "))
}

/// Two tables of names and values as one, with one column per table; a value that only one of them has is empty in the other.
pub fn side_by_side(first: (&str, Table), second: (&str, Table)) -> Table {
    let pairs = |table: &Table| -> Vec<(String, String)> {
        let pair = |row: &Vec<String>| Some((row.first()?.clone(), row.get(1).cloned().unwrap_or_default()));
        table.rows.iter().filter_map(pair).collect()
    };
    let (one, other) = (pairs(&first.1), pairs(&second.1));
    // A recording may name thousands of settings.
    let values = |pairs: &[(String, String)]| pairs.iter().cloned().collect::<HashMap<_, _>>();
    let (values_of_one, values_of_other) = (values(&one), values(&other));
    let names = one.iter().chain(other.iter().filter(|(name, _)| !values_of_one.contains_key(name)));
    let value = |values: &HashMap<String, String>, name| values.get(name).cloned().unwrap_or_default();
    let rows =
        names.map(|(name, _)| vec![name.clone(), value(&values_of_one, name), value(&values_of_other, name)]);
    Table { rows: rows.collect(), ..Table::new("", ["", first.0, second.0]) }
}

/// The sample with the most bytes in flight: sent and not yet read back.
pub fn peak_sample(samples: &[Sample]) -> Option<&Sample> {
    samples.iter().max_by_key(|sample| sample.in_flight())
}

#[cfg(test)]
mod tests {
    use echoctl_record::Machine;

    use super::*;
    use crate::model::table::ABSENT;

    #[test]
    fn the_path_adds_up_from_sent_to_read_back() {
        let sample = Sample {
            produced: 1 << 20,
            server_received: Some(800 << 10),
            server_read: Some(700 << 10),
            server_written: Some(400 << 10),
            client_received: Some(300 << 10),
            consumed: 100 << 10,
            ..Sample::default()
        };

        let bytes: Vec<String> =
            path(&sample, &SocketLimits::default()).rows.into_iter().map(|mut row| row.remove(2)).collect();

        assert_eq!(bytes, ["1 MiB", "224 KiB", "100 KiB", "300 KiB", "100 KiB", "200 KiB", "100 KiB"]);
    }

    #[test]
    fn a_server_that_pushes_has_no_row_for_its_inside() {
        let sample = Sample {
            is_echo: Some(false),
            server_read: Some(9),
            server_written: Some(0),
            ..Sample::default()
        };

        let text = path(&sample, &SocketLimits::default()).to_text();

        assert!(!text.contains("inside") && text.contains("server send queue"), "{text}");
    }

    #[test]
    fn hidden_queues_are_marked_as_not_visible() {
        let text = path(&Sample::default(), &SocketLimits::default()).to_text();

        assert_eq!(text.matches(ABSENT).count(), 5, "{text}");
    }

    #[test]
    fn a_summary_has_a_row_for_each_kind_of_fault() {
        let integrity = Integrity { verified: 1, lost: 11, duplicated: 12, reordered: 13, mismatched: 14 };
        let summary = Summary { integrity: Some(integrity), ..Summary::new("127.0.0.1:7007".to_owned()) };

        let rows = client_table(&summary, None).rows;

        for (name, count) in
            [("lost", "11"), ("duplicated", "12"), ("out of order", "13"), ("corrupted", "14")]
        {
            assert!(rows.iter().any(|row| row[0].ends_with(name) && row[1] == count), "{name}: {rows:?}");
        }
    }

    #[test]
    fn faults_that_were_not_counted_are_not_zero() {
        let mut summary = Summary::new("127.0.0.1:7007".to_owned());
        let mut text = |integrity| {
            summary.integrity = integrity;
            client_table(&summary, None).to_text()
        };

        let (audit, unread) = (text(None), text(Some(Integrity::default())));

        assert!(!audit.contains("frames") && !audit.contains("blocked"), "{audit}");
        assert!(!unread.contains("frames") && unread.contains("not blocked"), "{unread}");
    }

    #[test]
    fn the_maximum_inside_is_that_of_the_stall() {
        // Reads for 2 s, stops for 3 s, and catches up, with counters that are a mebibyte apart while they move.
        let sample = |step: u64| {
            let t = step as f64 / 10.0;
            let consumed = if t < 2.0 { 100 * step } else { 2000 + 900 * step.saturating_sub(50) };
            let inside = if t > 5.0 { 1 << 20 } else { 64 };
            let written = consumed + 10;
            Sample {
                t,
                connections: 1,
                produced: written + inside,
                server_read: Some(written + inside),
                server_written: Some(written),
                consumed,
                ..Sample::default()
            }
        };
        let mut run = Run::new("", vec![], 0, "x".to_owned(), Machine::default());
        run.samples = (0..70).map(sample).collect();
        let summary = Summary { inside_server: Some(1 << 20), ..Summary::new("x".to_owned()) };
        run.ending = Some(Ending::Flood { summary });

        assert_eq!(inside_server(&run), Some((64, true)));
        let (page, table) = (crate::run_page(&run).to_string(), ending(&run).unwrap().to_text());
        let chart = charts::queues(&run.samples, &SocketLimits::default());
        for text in [&page, &table, &chart.description, &crate::plain::draw(&chart, 100, 19)] {
            assert!(text.contains("64 B") && !text.contains("1 MiB inside"), "{text}");
        }
        assert!(!table.contains("1 MiB") && !chart.description.contains("1 MiB"), "{table}");

        run.samples.iter_mut().for_each(|sample| sample.is_echo = Some(false));
        assert_eq!(inside_server(&run), None);
        assert!(!crate::run_page(&run).to_string().contains("maximum inside"));
    }

    #[test]
    fn two_tables_are_joined_row_by_row() {
        let one = Table::default().row(["sent", "1 MiB"]).row(["verdict", "bounded"]);
        let other = Table::default().row(["sent", "2 MiB"]).row(["lost", "0"]);

        let both = side_by_side(("a", one), ("b", other));

        assert_eq!(both.rows, [["sent", "1 MiB", "2 MiB"], ["verdict", "bounded", ""], ["lost", "", "0"]]);
    }

    #[test]
    fn the_peak_is_the_sample_with_most_in_flight() {
        let at = |t, produced, consumed| Sample { t, produced, consumed, ..Sample::default() };
        let samples = [at(0.0, 10, 0), at(1.0, 90, 10), at(2.0, 100, 100)];

        assert_eq!(peak_sample(&samples).map(|sample| sample.t), Some(1.0));
        assert_eq!(peak_sample(&[]), None);
    }
}
