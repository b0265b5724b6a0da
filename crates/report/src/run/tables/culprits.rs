//! The connections of a watched server that made others wait, and the accept queues of its listeners.

use echoctl_record::{Bytes, ConnectionRow, ListenerFigures, Run, WatchSummary, count};

use crate::{Table, shown};

/// The worst connections of a watch, with what each waited for; `None` if there was none.
pub fn culprits(watch: &WatchSummary) -> Option<Table> {
    let table = Table::new(
        "Connections that waited, each when it was worst",
        ["client", "waits for", "server receive", "server send", "client receive"],
    );
    let table = watch.top.iter().fold(table, |table, row| table.row(fields(row)));
    (!table.rows.is_empty()).then_some(table)
}

/// The worst connection in one sentence: what it waits for, and since when; `None` if none waited.
pub fn worst(watch: &WatchSummary) -> Option<String> {
    let row = watch.top.first()?;
    let least = if watch.top.len() < WatchSummary::MAX_TOP { "" } else { "at least " };
    let others = match watch.top.len() - 1 {
        0 => String::new(),
        others => format!(", and {least}{} waited", count(others as u64, "other connection")),
    };
    Some(format!("{}: {}, {} queued{others}.", client(row), row.diagnosis(), Bytes(row.queued())))
}

/// The worst connections of each watch among some runs.
pub fn culprits_of(runs: [(&str, &Run); 2]) -> Vec<Table> {
    let table = |(name, run): (&str, &Run)| {
        let table = culprits(run.watch()?)?;
        Some(Table { caption: format!("{name}: {}", table.caption), ..table })
    };
    runs.into_iter().filter_map(table).collect()
}

/// The listeners of a watched server; `None` if their accept queues were not visible.
pub fn listeners(watch: &WatchSummary) -> Option<Table> {
    let table = Table::new(
        "Where the server listens",
        ["address", "process", "connections", "most in the accept queue", "its limit"],
    );
    let visible = watch.listeners.iter().filter(|listener| listener.accept_queue.is_some());
    let table = visible.fold(table, |table, listener| table.row(fields_of_listener(listener)));
    (!table.rows.is_empty()).then_some(table)
}

fn fields(row: &ConnectionRow) -> [String; 5] {
    let bytes = |bytes: Option<u64>| shown(bytes.map(Bytes));
    [
        client(row),
        row.diagnosis().to_string(),
        bytes(Some(row.server_receive)),
        bytes(Some(row.server_send)),
        bytes(row.client_receive),
    ]
}

/// The client's address, with its process if that is known.
fn client(row: &ConnectionRow) -> String {
    match &row.client_process {
        Some(process) => format!("{}, {process}", row.client),
        None => row.client.clone(),
    }
}

fn fields_of_listener(listener: &ListenerFigures) -> [String; 5] {
    [
        listener.listen.clone(),
        listener.process.clone().unwrap_or_default(),
        listener.connections.to_string(),
        shown(listener.accept_queue),
        shown(listener.accept_queue_limit),
    ]
}
