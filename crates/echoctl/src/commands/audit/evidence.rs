//! The figures of an audit as a table: bytes, then memory with its growth, then times. What was not counted has no row.

use echoctl_record::{Bytes, EchoFault, Point, Sample, Seconds, Verdict};
use echoctl_report::{Table, tables};

use super::summary::{Summary, is_echo};

type Row = (String, String);

/// The table.
pub(super) fn evidence(summary: &Summary) -> Table {
    let rows = [
        bytes(summary),
        memory(summary),
        files(summary),
        times(summary),
        echo(summary),
        control(summary),
        projection(summary),
    ];
    let rows = rows.into_iter().flatten().map(|(name, value)| [name, value]);
    rows.fold(Table::new("Evidence", [] as [String; 0]), Table::row)
}

/// How other clients were served; empty if that was not measured.
pub(super) fn other_clients(summary: &Summary) -> Vec<Row> {
    let clients = summary.attack.evidence.bystanders.as_ref();
    let rows = clients.map(|clients| tables::other_clients(clients).rows).unwrap_or_default();
    let pair = |row: Vec<String>| Some((row.first()?.clone(), row.get(1)?.clone()));
    rows.into_iter().filter_map(pair).collect()
}

fn bytes(summary: &Summary) -> Vec<Row> {
    let figures = &summary.figures;
    let mut rows = vec![
        row("accepted by the server's kernel", Bytes(figures.accepted)),
        row("read by the server", Bytes(figures.server_read)),
        row("written by the server", Bytes(figures.server_written)),
    ];
    rows.extend(figures.inside_server.map(|inside| row("  read, but not yet written back", Bytes(inside))));
    if figures.inside_server.is_none() {
        rows.extend(unread(summary).map(|bytes| row("  not read by the client", Bytes(bytes))));
    }
    rows.extend(summary.carrier.rows());
    let drained =
        |value: Option<u64>| value.map_or("not drained".to_owned(), |value| Bytes(value).to_string());
    if !summary.attack.evidence.repeats {
        // A server that sends without being asked goes on sending while it is drained: this is not a backlog.
        rows.push(row("read at the end (pending and later replies)", drained(figures.drained)));
        return rows;
    }
    // An echo server also returns what had not yet left the client when the draining began.
    let has_unsent = figures.inside_server.is_some() && figures.drained > Some(figures.accepted);
    let unsent = if has_unsent { ", incl. the client's send queue" } else { "" };
    rows.push(row("drained at the end", drained(figures.drained) + unsent));
    // Of an echo server that stopped reading, the exact figure is above.
    if figures.inside_server.is_none() || summary.verdict != Verdict::Bounded {
        rows.push(row("  not from kernel queues, estimated", drained(figures.drained_beyond_kernels)));
    }
    rows
}

/// What the server had written and the client had not read at the end of the attack.
fn unread(summary: &Summary) -> Option<u64> {
    let last = summary.attack.evidence.points.last()?.sample;
    Some(last.server_written?.saturating_sub(last.consumed))
}

fn memory(summary: &Summary) -> Vec<Row> {
    let figures = &summary.figures;
    // A server whose client reads again may need more memory than before.
    let most = |memory: fn(&Sample) -> Option<u64>| {
        let all = summary.attack.samples.iter().filter_map(|sample| Some((memory(sample)?, sample.t)));
        let largest = all.max_by_key(|&(bytes, _)| bytes);
        let later =
            largest.filter(|&(_, t)| t > figures.attack_seconds).map_or("", |_| ", while the client read");
        visible(largest.map(|(bytes, _)| bytes)) + later
    };
    let mut rows = vec![
        row("server memory, maximum", most(|sample| sample.server_memory)),
        row("  growth while the client did not read", visible(figures.memory_growth)),
    ];
    rows.extend(figures.slope.map(|slope| row("  growth per byte read", format!("{slope:.2} bytes"))));
    rows.push(row("kernel memory of both ends, maximum", most(|sample| sample.kernel_memory)));
    rows.push(row("  while the client did not read", visible(figures.kernel_memory)));
    rows
}

/// What was written to files, by the server or in the machine's memory.
fn files(summary: &Summary) -> Vec<Row> {
    let evidence = &summary.attack.evidence;
    let disk = |point: Option<&Point>| point.and_then(|point| point.disk_written);
    let written = disk(evidence.points.last())
        .zip(disk(evidence.points.first()))
        .map(|(last, first)| last.saturating_sub(first));
    let row = |name: &str, bytes: Option<u64>, least: u64| {
        bytes.filter(|bytes| *bytes >= least).map(|bytes| row(name, Bytes(bytes)))
    };
    let rows = [
        row("written to disk by the server", written, 1),
        row("growth of files that the server has open", evidence.open_file_growth, 1),
        row("growth of files in this machine's memory", evidence.shared_memory_growth, MIN_SHARED),
    ];
    rows.into_iter().flatten().collect()
}

fn times(summary: &Summary) -> Vec<Row> {
    let stalled = summary.figures.stalled_seconds;
    let progress = if stalled < MIN_STALL {
        row("last progress of input or output", "at the end of the attack")
    } else {
        let moved = match summary.figures.moved_while_stalled {
            0 => String::new(),
            bytes => format!(" ({} moved)", Bytes(bytes)),
        };
        row("input and output stalled for", format!("{}{moved}", Seconds(stalled)))
    };
    vec![progress, row("duration of the attack", Seconds(summary.figures.attack_seconds))]
}

/// What came back of an echo, if the server is one.
fn echo(summary: &Summary) -> Vec<Row> {
    if !is_echo(summary.attack) {
        return Vec::new();
    }
    let lost = |bytes| if bytes == 0 { "none".to_owned() } else { Bytes(bytes).to_string() };
    let lost = summary.figures.lost.map(|bytes| row("bytes of the echo lost", lost(bytes)));
    let damaged = summary.damaged_at.map(|at| {
        let fault = match summary.attack.evidence.drain.as_ref().and_then(|drain| drain.fault) {
            None => "",
            Some(EchoFault::Lost) => " (bytes are missing there)",
            Some(EchoFault::Torn) => " (a part of a message is missing there)",
            Some(EchoFault::Repeated) => " (earlier bytes come again)",
            Some(EchoFault::Changed) => " (other bytes)",
        };
        row("offset of the first wrong byte of the echo", format!("{at}{fault}"))
    });
    lost.into_iter().chain(damaged).collect()
}

/// What happened to a client that sent the same and read.
fn control(summary: &Summary) -> Vec<Row> {
    let Some(control) = &summary.attack.evidence.control else { return Vec::new() };
    let received = format!("{} in {}", Bytes(control.received), Seconds(control.seconds));
    let end = control
        .disconnected_at
        .map_or("not disconnected".to_owned(), |t| format!("disconnected after {}", Seconds(t)));
    vec![row("a client that sent the same and read, received", format!("{received}, {end}"))]
}

fn projection(summary: &Summary) -> Vec<Row> {
    let requested = summary.projection.filter(|projection| projection.is_requested);
    requested.map_or(Vec::new(), |projection| projection.rows().into())
}

fn row(name: impl Into<String>, value: impl ToString) -> Row {
    (name.into(), value.to_string())
}

fn visible(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "not visible here".to_owned(), |bytes| Bytes(bytes).to_string())
}

/// Seconds without movement that are not a stall: a sample or two.
const MIN_STALL: f64 = 0.2;

/// Growth of shared memory that is shown, in bytes: other programs use it too, by a few MiB.
const MIN_SHARED: u64 = 16 << 20;
