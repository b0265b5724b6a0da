//! The figures of an audit as a table: bytes, then memory with its growth, then times. What was not counted has no row.

use echoctl_observe::TcpMemory;
use echoctl_record::{Bytes, Sample, Seconds, Verdict};
use echoctl_report::Table;

use super::summary::Summary;

type Row = (String, String);

/// The table.
pub(super) fn evidence(summary: &Summary) -> Table {
    let rows = [bytes(summary), memory(summary), times(summary), echo(summary), projection(summary)];
    let rows = rows.into_iter().flatten().map(|(name, value)| [name, value]);
    rows.fold(Table::new("Evidence", [] as [String; 0]), Table::row)
}

fn bytes(summary: &Summary) -> Vec<Row> {
    let figures = &summary.figures;
    let mut rows = vec![
        row("accepted by the server's kernel", Bytes(figures.accepted)),
        row("read by the server", Bytes(figures.server_read)),
        row("written by the server", Bytes(figures.server_written)),
    ];
    rows.extend(figures.inside_server.map(|inside| row("  read, but not yet written back", Bytes(inside))));
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

fn times(summary: &Summary) -> Vec<Row> {
    let stalled = summary.figures.stalled_seconds;
    let progress = if stalled < MIN_STALL {
        row("last progress of input or output", "at the end of the attack")
    } else {
        row("input and output stalled for", Seconds(stalled))
    };
    vec![progress, row("duration of the attack", Seconds(summary.figures.attack_seconds))]
}

/// What came back of an echo, if the server is one.
fn echo(summary: &Summary) -> Vec<Row> {
    if summary.damaged_at == Some(0) {
        return Vec::new();
    }
    let lost = |bytes| if bytes == 0 { "none".to_owned() } else { Bytes(bytes).to_string() };
    let lost = summary.figures.lost.map(|bytes| row("bytes of the echo lost", lost(bytes)));
    lost.into_iter().chain(summary.damaged_at.map(|at| row("first wrong byte of the echo", at))).collect()
}

fn projection(summary: &Summary) -> Vec<Row> {
    let Some(projection) = &summary.projection else { return Vec::new() };
    let most = TcpMemory::now().map(|memory| memory.max);
    let excess = match (projection.kernel_memory, most) {
        (Some(bytes), Some(most)) if bytes > most => format!(" (this host allows {})", Bytes(most)),
        _ => String::new(),
    };
    vec![
        row(
            format!("{} such connections, server memory", projection.connections),
            visible(projection.server_memory),
        ),
        row("  kernel memory of both ends", visible(projection.kernel_memory) + &excess),
    ]
}

fn row(name: impl Into<String>, value: impl ToString) -> Row {
    (name.into(), value.to_string())
}

fn visible(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "not visible here".to_owned(), |bytes| Bytes(bytes).to_string())
}

/// Seconds without movement that are not a stall: a sample or two.
const MIN_STALL: f64 = 0.2;
