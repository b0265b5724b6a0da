//! The sentences at the end of a watch.

use std::io;

use echoctl_record::{Bytes, WatchSummary, count};
use echoctl_report::wrap;

use super::culprits::described;
use crate::output::{print, terminal_size};

/// Prints what was seen: a sentence about the server, and one about each of the worst connections.
pub(in crate::commands::watch) fn print_summary(watched: &WatchSummary) -> io::Result<()> {
    let width = terminal_size().0.saturating_sub(INDENT.len());
    for sentence in sentences(watched) {
        print(wrap(&sentence, width).join(&format!("\n{INDENT}")))?;
    }
    Ok(())
}

fn sentences(watched: &WatchSummary) -> Vec<String> {
    let exited = watched.server_exited.map(|pid| format!("The server (pid {pid}) exited."));
    let memory = watched
        .server_memory_growth
        .map_or(String::new(), |bytes| format!("; the server's memory grew by at most {}", Bytes(bytes)));
    let came = count(watched.connections_seen, "connection");
    let (most, held) = (watched.max_connections, Bytes(watched.max_queued));
    let totals =
        format!("{came} seen, at most {most} at once; kernel queues buffered at most {held}{memory}.");
    let queues = watched.listeners.iter().filter_map(|listener| {
        let most = listener.accept_queue.filter(|most| *most > 0)?;
        let limit = listener.accept_queue_limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
        let waited = count(most, "connection");
        Some(format!("{}: at most {waited}{limit} in the accept queue.", listener.listen))
    });
    let culprits = watched.top.iter().map(|row| format!("{}: {}.", row.client, described(row)));
    exited.into_iter().chain([totals]).chain(queues).chain(culprits).collect()
}

/// What precedes the second and further lines of a sentence.
const INDENT: &str = "  ";

#[cfg(test)]
mod tests {
    use echoctl_record::{ConnectionCause, ConnectionRow, ListenerFigures};

    use super::*;

    #[test]
    fn the_summary_names_the_culprits() {
        let watched = WatchSummary {
            connections_seen: 1,
            max_connections: 1,
            top: vec![
                ConnectionRow {
                    client: "10.0.0.7:51234".to_owned(),
                    client_process: Some("curl (pid 4711)".to_owned()),
                    cause: ConnectionCause::ClientDoesNotRead,
                    cause_seconds: Some(42.0),
                    server_send: 2 << 20,
                    ..ConnectionRow::default()
                },
                ConnectionRow {
                    client: "10.0.0.8:9".to_owned(),
                    cause: ConnectionCause::ClientReadsSlowly,
                    send_rate: Some(10_240.0),
                    ..ConnectionRow::default()
                },
            ],
            listeners: vec![ListenerFigures {
                listen: "0.0.0.0:8080".to_owned(),
                accept_queue: Some(5),
                accept_queue_limit: Some(128),
                ..ListenerFigures::default()
            }],
            ..WatchSummary::default()
        };

        assert_eq!(
            sentences(&watched),
            [
                "1 connection seen, at most 1 at once; kernel queues buffered at most 0 B.",
                "0.0.0.0:8080: at most 5 connections of 128 in the accept queue.",
                "10.0.0.7:51234: client does not read (42 s), 2 MiB queued, curl (pid 4711).",
                "10.0.0.8:9: client reads slowly (10 KiB/s).",
            ]
        );
    }
}
