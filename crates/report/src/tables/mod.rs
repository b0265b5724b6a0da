//! The tables of a run: where its bytes were at one moment, how it ended, and on which machine. The same for terminals
//! and pages.

mod environment;

use std::collections::HashMap;

use echoctl_record::{Bytes, Queues, Run, Sample, Seconds, Summary, WatchSummary};

pub use environment::environment;

use crate::Table;
use crate::table::ABSENT;

/// Every place on the path at the moment of `sample`, from producer to consumer: what was sent is what was read back
/// and all that lies between.
pub fn path(sample: &Sample) -> Table {
    let queues = Queues::of(sample);
    let row = |what: &str, who: &str, bytes: Option<u64>| {
        [what.to_owned(), who.to_owned(), bytes.map_or(ABSENT.to_owned(), |bytes| Bytes(bytes).to_string())]
    };
    let table = Table::new(
        format!("Where the bytes were after {}", Seconds(sample.t)),
        ["place", "bytes are held by", "bytes"],
    )
    .row(row("sent by the client", "", Some(sample.produced)))
    .row(row("  client send queue", "the client's kernel", queues.client_send))
    .row(row("  server receive queue", "the server's kernel", queues.server_receive))
    .row(row("  inside the server", "the server", queues.inside_server))
    .row(row("  server send queue", "the server's kernel", queues.server_send))
    .row(row("  client receive queue", "the client's kernel", queues.client_receive))
    .row(row("read back by the client", "", Some(sample.consumed)));
    match queues.clamped {
        0 => table,
        clamped => table.row(row("counted twice, as it moved", "", Some(clamped))),
    }
}

/// How a run ended, of a client or of a watch; `None` for one that was cut short.
pub fn ending(run: &Run) -> Option<Table> {
    run.summary.as_ref().map(summary).or_else(|| Some(watched(&run.target, run.watch.as_ref()?)))
}

/// What a watch of a live server saw.
fn watched(target: &str, watched: &WatchSummary) -> Table {
    let mut table = Table::default()
        .row(["server".to_owned(), target.to_owned()])
        .row(["connections seen".to_owned(), watched.connections_seen.to_string()])
        .row(["of them at once".to_owned(), watched.max_connections.to_string()])
        .row(["lasted".to_owned(), Seconds(watched.seconds).to_string()])
        .row(["in all queues at most".to_owned(), Bytes(watched.max_queued).to_string()]);
    let bytes = [
        ("the server's memory grew by at most", watched.server_memory_growth),
        ("the kernel's memory for them at most", watched.max_kernel_memory),
    ];
    for (name, bytes) in bytes {
        if let Some(bytes) = bytes {
            table = table.row([name.to_owned(), Bytes(bytes).to_string()]);
        }
    }
    match watched.server_exited {
        Some(pid) => table.row(["ended meanwhile".to_owned(), format!("process {pid}")]),
        None => table,
    }
}

/// How a run of the client ended.
pub fn summary(summary: &Summary) -> Table {
    let bytes = |bytes: u64| Bytes(bytes).to_string();
    let mut table = Table::default().row(["server".to_owned(), summary.target.clone()]);
    // A row of its own: two runs side by side fit a terminal then.
    if let Some(pid) = summary.server_pid {
        table = table.row(["its process".to_owned(), pid.to_string()]);
    }
    table = table
        .row(["connections".to_owned(), summary.connections.to_string()])
        .row(["lasted".to_owned(), Seconds(summary.seconds).to_string()])
        .row(["sent".to_owned(), bytes(summary.produced)])
        .row(["read back".to_owned(), bytes(summary.consumed)])
        .row(["of it right and in order".to_owned(), bytes(summary.verified)])
        .row(["frames lost".to_owned(), summary.lost.to_string()])
        .row(["frames duplicated".to_owned(), summary.duplicated.to_string()])
        .row(["frames out of order".to_owned(), summary.reordered.to_string()])
        .row(["frames that came back wrong".to_owned(), summary.mismatched.to_string()])
        .row(["held back for at most".to_owned(), held_back(summary)]);
    if let Some(growth) = summary.server_memory_growth {
        table = table.row(["the server's memory grew by at most".to_owned(), bytes(growth)]);
    }
    if let Some(inside) = summary.inside_server {
        table = table.row(["inside the server at most".to_owned(), bytes(inside)]);
    }
    match summary.verdict {
        Some(verdict) => table.row(["verdict".to_owned(), verdict.to_string()]),
        None => table,
    }
}

/// Two tables of names and values as one, a column each; what only one of them has is empty in the other.
pub fn side_by_side(first: (&str, Table), second: (&str, Table)) -> Table {
    let pairs = |table: &Table| -> Vec<(String, String)> {
        let pair = |row: &Vec<String>| Some((row.first()?.clone(), row.get(1).cloned().unwrap_or_default()));
        table.rows.iter().filter_map(pair).collect()
    };
    let (one, other) = (pairs(&first.1), pairs(&second.1));
    // A record may name thousands of settings.
    let values = |pairs: &[(String, String)]| pairs.iter().cloned().collect::<HashMap<_, _>>();
    let (values_of_one, values_of_other) = (values(&one), values(&other));
    let names = one.iter().chain(other.iter().filter(|(name, _)| !values_of_one.contains_key(name)));
    let value = |values: &HashMap<String, String>, name| values.get(name).cloned().unwrap_or_default();
    let rows =
        names.map(|(name, _)| vec![name.clone(), value(&values_of_one, name), value(&values_of_other, name)]);
    Table { rows: rows.collect(), ..Table::new("", ["", first.0, second.0]) }
}

/// The moment at which most bytes were under way: sent and not yet read back.
pub fn peak_sample(samples: &[Sample]) -> Option<&Sample> {
    samples.iter().max_by_key(|sample| sample.in_flight())
}

fn held_back(summary: &Summary) -> String {
    match summary.stalled_seconds {
        0.0 => "not at all".to_owned(),
        seconds => Seconds(seconds).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_adds_up_from_what_was_sent_to_what_was_read() {
        let sample = Sample {
            produced: 1 << 20,
            server_received: Some(800 << 10),
            server_read: Some(700 << 10),
            server_written: Some(400 << 10),
            client_received: Some(300 << 10),
            consumed: 100 << 10,
            ..Sample::default()
        };

        let bytes: Vec<String> = path(&sample).rows.into_iter().map(|mut row| row.remove(2)).collect();

        assert_eq!(bytes, ["1 MiB", "224 KiB", "100 KiB", "300 KiB", "100 KiB", "200 KiB", "100 KiB"]);
    }

    #[test]
    fn what_is_not_visible_says_so() {
        let text = path(&Sample::default()).to_text();

        assert_eq!(text.matches(ABSENT).count(), 5, "{text}");
    }

    #[test]
    fn a_summary_counts_every_way_in_which_a_frame_can_fail() {
        let mut ending = Summary::new("127.0.0.1:7007".to_owned());
        (ending.lost, ending.duplicated, ending.reordered, ending.mismatched) = (11, 12, 13, 14);

        let rows = summary(&ending).rows;

        for (name, count) in [("lost", "11"), ("duplicated", "12"), ("out of order", "13"), ("wrong", "14")] {
            assert!(rows.iter().any(|row| row[0].ends_with(name) && row[1] == count), "{name}: {rows:?}");
        }
    }

    #[test]
    fn two_tables_stand_side_by_side_row_by_row() {
        let one = Table::default().row(["sent", "1 MiB"]).row(["verdict", "bounded"]);
        let other = Table::default().row(["sent", "2 MiB"]).row(["lost", "0"]);

        let both = side_by_side(("a", one), ("b", other));

        assert_eq!(both.rows, [["sent", "1 MiB", "2 MiB"], ["verdict", "bounded", ""], ["lost", "", "0"]]);
    }

    #[test]
    fn the_fullest_moment_is_the_one_with_most_under_way() {
        let at = |t, produced, consumed| Sample { t, produced, consumed, ..Sample::default() };
        let samples = [at(0.0, 10, 0), at(1.0, 90, 10), at(2.0, 100, 100)];

        assert_eq!(peak_sample(&samples).map(|sample| sample.t), Some(1.0));
        assert_eq!(peak_sample(&[]), None);
    }
}
