//! The connections that need attention, as lines of a log: new ones at once, all of them now and then.

use std::collections::HashMap;
use std::fmt::Write;

use echoctl_record::{Bytes, ConnectionCause, ConnectionRow, Rate, printable};

use crate::commands::watch::explain::Explainer;

/// Decides which connections a line of a log is followed by.
#[derive(Debug)]
pub(in crate::commands::watch) struct CulpritLines {
    /// Makes the `ss` commands, if they are asked for.
    explainer: Option<Explainer>,
    /// The culprits of the last line.
    known: HashMap<String, ConnectionCause>,
    /// Lines until all are printed again.
    until_all: u32,
}

impl CulpritLines {
    /// With an `ss` command below each one, if there is an `explainer`.
    pub(in crate::commands::watch) fn new(explainer: Option<Explainer>) -> CulpritLines {
        CulpritLines { explainer, known: HashMap::new(), until_all: 0 }
    }

    /// The lines below a line of the log: `rows` are the worst connections, and `total` is the number of all that need attention.
    /// Empty if nothing is new and all were printed a few lines ago.
    pub(in crate::commands::watch) fn after(&mut self, rows: &[ConnectionRow], total: usize) -> String {
        let culprits = rows.iter().filter(|row| row.diagnosis().is_culprit());
        let is_all = self.until_all == 0;
        self.until_all = if is_all { LINES_BETWEEN } else { self.until_all - 1 };
        let known = culprits.clone().map(|row| (row.client.clone(), row.cause)).collect();
        let before = std::mem::replace(&mut self.known, known);
        let is_new = |row: &&ConnectionRow| before.get(&row.client) != Some(&row.cause);
        let mut text = String::new();
        for row in culprits.clone().filter(|row| is_all || is_new(row)) {
            let _ = write!(text, "\n    {}", line(row));
            if let Some(command) = self.explainer.and_then(|explainer| explainer.command(row)) {
                let _ = write!(text, "\n      {command}");
            }
        }
        let more = total.saturating_sub(culprits.count());
        if more > 0 && !text.is_empty() {
            let _ = write!(text, "\n    and {more} more");
        }
        text
    }
}

/// One connection in a line: address, cause and age, bytes, process.
fn line(row: &ConnectionRow) -> String {
    format!("{:<21}  {}", row.client, described(row))
}

/// Cause and age, bytes in queues and process of a connection.
pub(super) fn described(row: &ConnectionRow) -> String {
    let mut text = row.diagnosis().to_string();
    if let Some(rate) = slow_rate(row) {
        let _ = write!(text, " ({})", Rate(rate));
    }
    if row.is_suspended {
        text.push_str(", suspended (SIGSTOP)");
    }
    if row.queued() > 0 {
        let _ = write!(text, ", {} queued", Bytes(row.queued()));
    }
    let involved: Vec<(&str, &String)> = involved(row).collect();
    for (side, process) in &involved {
        // Of two processes it is said which is which.
        let side = if involved.len() > 1 { format!("{side} ") } else { String::new() };
        let _ = write!(text, ", {side}{}", printable(process));
    }
    text
}

/// The processes that a connection waits for, each with its side, as far as they are visible: of a server with several, the one that is stuck. Of a
/// connection that the watched process opened: first that process, of which there may be several, and then its peer.
fn involved(row: &ConnectionRow) -> impl Iterator<Item = (&'static str, &String)> {
    let is_servers = matches!(
        row.cause,
        ConnectionCause::ServerDoesNotRead
            | ConnectionCause::ServerReadsSlowly
            | ConnectionCause::ClosedByClient
            | ConnectionCause::BothWait
    );
    let server = row.server_process.iter().filter(move |_| is_servers || row.outbound);
    let is_only_servers = is_servers && row.cause != ConnectionCause::BothWait;
    let client = row.client_process.iter().filter(move |_| !is_only_servers || row.outbound);
    // A client without an address is called by its process already.
    let (watched, peer) = (row.roles().watched(), row.roles().peer());
    let sides =
        server.map(move |process| (watched, process)).chain(client.map(move |process| (peer, process)));
    sides.filter(|(_, process)| **process != row.client)
}

/// The rate of a side that reads slowly: what its cause has in place of an age.
fn slow_rate(row: &ConnectionRow) -> Option<f64> {
    let rate = match row.cause {
        ConnectionCause::ClientReadsSlowly => row.client_read_rate,
        ConnectionCause::ServerReadsSlowly => row.server_read_rate,
        _ => None,
    };
    rate.filter(|rate| *rate > 0.0)
}

/// Lines without culprits between two that list all of them.
const LINES_BETWEEN: u32 = 9;
