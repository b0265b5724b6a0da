//! The sentences at the end of a watch.

use std::io;

use echoctl_record::{Bytes, ConnectionCause, ConnectionRow, Roles, WatchSummary, count, printable};
use echoctl_report::wrap;

use super::culprits::described;
use crate::output::{print, terminal_size};

/// Prints what was seen: a sentence about the server, and one about each of the worst connections.
pub(in crate::commands::watch) fn print_summary(watched: &WatchSummary, roles: Roles) -> io::Result<()> {
    let width = terminal_size().0.saturating_sub(INDENT.len());
    for sentence in sentences(watched, roles) {
        print(wrap(&sentence, width).join(&format!("\n{INDENT}")))?;
    }
    Ok(())
}

fn sentences(watched: &WatchSummary, roles: Roles) -> Vec<String> {
    let name = roles.watched();
    let exited = watched.server_exited.map(|pid| format!("The {name} (pid {pid}) exited."));
    let suspended = watched
        .server_suspended
        .map(|pid| format!("The {name} (pid {pid}) is suspended (SIGSTOP): kill -CONT {pid} continues it."));
    let memory = match watched.server_memory_growth {
        None => String::new(),
        Some(0) => format!("; the {name}'s memory did not grow"),
        Some(bytes) => format!("; the {name}'s memory grew by at most {}", Bytes(bytes)),
    };
    let queued = match watched.max_queued {
        0 => "no bytes waited in kernel queues".to_owned(),
        bytes => format!("kernel queues buffered at most {}", Bytes(bytes)),
    };
    let totals = match watched.connections_seen {
        0 => format!("No connection was seen{memory}."),
        seen => {
            let most = watched.max_connections;
            format!("{} seen, at most {most} at once; {queued}{memory}.", count(seen, "connection"))
        }
    };
    let queues = watched.listeners.iter().filter_map(|listener| {
        let most = listener.accept_queue.filter(|most| *most > 0)?;
        let limit = listener.accept_queue_limit.map(|limit| format!(" of {limit}")).unwrap_or_default();
        let waited = count(most, "connection");
        let full =
            if listener.is_full() { ", which was full (Linux admits one more than the limit)" } else { "" };
        Some(format!("{}: at most {waited}{limit} in the accept queue{full}.", listener.listen))
    });
    let connecting = watched.listeners.iter().filter_map(|listener| {
        let most = listener.connecting.filter(|most| *most > 0)?;
        let clients = count(most, "client");
        Some(format!("{}: at most {clients} of this host could not connect (SYN-SENT).", listener.listen))
    });
    let culprits = watched.top.iter().map(sentence);
    exited
        .into_iter()
        .chain(suspended)
        .chain([totals])
        .chain(queues)
        .chain(connecting)
        .chain(culprits)
        .collect()
}

/// What precedes the second and further lines of a sentence.
const INDENT: &str = "  ";

/// What a connection waits for, as a sentence. Of one that the watched process opened, it names the two sides by what they are.
fn sentence(row: &ConnectionRow) -> String {
    let process = row.server_process.as_deref().map(printable).filter(|_| row.outbound);
    let peer = match &row.client_process {
        Some(process) => format!("{} at {}", printable(process), row.client),
        None => row.client.clone(),
    };
    let to_process = Bytes(row.server_receive + row.client_send.unwrap_or(0));
    let to_peer = Bytes(row.server_send + row.client_receive.unwrap_or(0));
    let diagnosis = row.diagnosis().to_string();
    // The words of the cause are said in another order here.
    let age = diagnosis.strip_prefix(row.cause.words(row.roles())).unwrap_or_default();
    match (process, row.cause) {
        (Some(process), ConnectionCause::ServerDoesNotRead) => {
            format!("{process} does not read {to_process} from {peer}{age}.")
        }
        (Some(process), ConnectionCause::ClientDoesNotRead) => {
            format!("{peer} does not read {to_peer} from {process}{age}.")
        }
        _ => format!("{}: {}.", row.client, described(row)),
    }
}

#[cfg(test)]
mod tests {
    use echoctl_record::ListenerFigures;

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
                    client_read_rate: Some(10_240.0),
                    ..ConnectionRow::default()
                },
            ],
            listeners: vec![ListenerFigures {
                listen: "0.0.0.0:8080".to_owned(),
                accept_queue: Some(9),
                accept_queue_limit: Some(8),
                connecting: Some(5),
                ..ListenerFigures::default()
            }],
            server_suspended: Some(812),
            server_memory_growth: Some(0),
            ..WatchSummary::default()
        };

        assert_eq!(
            sentences(&watched, Roles::Served),
            [
                "The server (pid 812) is suspended (SIGSTOP): kill -CONT 812 continues it.",
                "1 connection seen, at most 1 at once; no bytes waited in kernel queues; the server's memory did not grow.",
                "0.0.0.0:8080: at most 9 connections of 8 in the accept queue, which was full (Linux admits one more than the limit).",
                "0.0.0.0:8080: at most 5 clients of this host could not connect (SYN-SENT).",
                "10.0.0.7:51234: client does not read (42 s), 2 MiB queued, curl (pid 4711).",
                "10.0.0.8:9: client reads slowly (10 KiB/s).",
            ]
        );
    }

    #[test]
    fn a_process_and_its_peer_are_named_by_what_they_are() {
        let row = |cause| ConnectionRow {
            client: "10.0.0.5:5432".to_owned(),
            server_process: Some("app (pid 812)".to_owned()),
            cause,
            cause_seconds: Some(3.0),
            server_receive: 1 << 20,
            server_send: 2 << 20,
            client_receive: Some(1 << 20),
            outbound: true,
            ..ConnectionRow::default()
        };
        let local = ConnectionRow {
            client_process: Some("postgres (pid 99)".to_owned()),
            ..row(ConnectionCause::ClientDoesNotRead)
        };

        assert_eq!(
            sentence(&row(ConnectionCause::ServerDoesNotRead)),
            "app (pid 812) does not read 1 MiB from 10.0.0.5:5432 (3 s)."
        );
        assert_eq!(
            sentence(&local),
            "postgres (pid 99) at 10.0.0.5:5432 does not read 3 MiB from app (pid 812) (3 s)."
        );
        assert_eq!(
            sentence(&row(ConnectionCause::ClosedByClient)),
            "10.0.0.5:5432: closed by the peer, not by the process (CLOSE-WAIT, 3 s), 4 MiB queued, app (pid 812)."
        );
        let watched = WatchSummary { server_exited: Some(812), ..WatchSummary::default() };
        assert_eq!(sentences(&watched, Roles::Opened)[0], "The process (pid 812) exited.");
    }

    #[test]
    fn the_worker_that_does_not_read_is_named() {
        let row = ConnectionRow {
            client: "10.0.0.7:9".to_owned(),
            client_process: Some("curl (pid 4711)".to_owned()),
            server_process: Some("worker (pid 13)".to_owned()),
            cause: ConnectionCause::ServerDoesNotRead,
            ..ConnectionRow::default()
        };

        assert_eq!(sentence(&row), "10.0.0.7:9: server does not read, worker (pid 13).");
        let both = ConnectionRow { cause: ConnectionCause::BothWait, ..row };
        assert_eq!(
            sentence(&both),
            "10.0.0.7:9: both wait for each other, server worker (pid 13), client curl (pid 4711)."
        );
    }
}
