//! Connections grouped by remote address, or all of them: their sums, and the worst cause of each group.

use std::collections::HashMap;
use std::net::IpAddr;

use echoctl_record::ConnectionRow;

use super::reading::Entry;

/// One entry per remote address; connections without an address are grouped by the name of their peer.
pub(super) fn by_address<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Entry> {
    let mut groups: Vec<Entry> = Vec::new();
    let mut known: HashMap<Group, usize> = HashMap::new();
    for entry in entries {
        let group = match entry.address {
            Some((ip, _)) => Group::Address(ip.to_canonical()),
            None => Group::Name(&entry.row.client),
        };
        let index = *known.entry(group).or_insert_with(|| {
            groups.push(empty(entry));
            groups.len() - 1
        });
        add(&mut groups[index], entry);
    }
    groups
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Group<'a> {
    Address(IpAddr),
    Name(&'a str),
}

/// Whether a connection belongs to this group.
pub(super) fn contains(group: &Entry, entry: &Entry) -> bool {
    match (group.address, entry.address) {
        (Some((group, _)), Some((ip, _))) => group == ip.to_canonical(),
        (None, None) => group.row.client == entry.row.client,
        _ => false,
    }
}

/// All of these connections as one entry.
pub(super) fn total<'a>(entries: impl Iterator<Item = &'a Entry>) -> Entry {
    let mut total = Entry {
        row: ConnectionRow { client: "total".to_owned(), ..ConnectionRow::default() },
        connections: 0,
        address: None,
    };
    entries.for_each(|entry| add(&mut total, entry));
    total
}

/// The group of a connection, without any.
fn empty(entry: &Entry) -> Entry {
    let address = entry.address.map(|(ip, _)| (ip.to_canonical(), 0));
    let client = address.map_or_else(|| entry.row.client.clone(), |(ip, _)| ip.to_string());
    Entry { row: ConnectionRow { client, ..ConnectionRow::default() }, connections: 0, address }
}

fn add(group: &mut Entry, entry: &Entry) {
    let (sum, row) = (&mut group.row, &entry.row);
    let is_first = group.connections == 0;
    let badness = |row: &ConnectionRow| (row.cause.severity(), row.cause_seconds.unwrap_or(0.0));
    if is_first || badness(row) > badness(sum) {
        (sum.cause, sum.cause_seconds) = (row.cause, row.cause_seconds);
    }
    // A process, if it is the same one of all.
    if is_first {
        sum.client_process = entry.row.client_process.as_deref().map(str::to_owned);
    } else if sum.client_process.as_deref() != entry.row.client_process.as_deref() {
        sum.client_process = None;
    }
    group.connections += entry.connections;
    sum.server_receive += row.server_receive;
    sum.server_send += row.server_send;
    for (sum, bytes) in
        [(&mut sum.client_send, row.client_send), (&mut sum.client_receive, row.client_receive)]
    {
        *sum = bytes.map_or(*sum, |bytes| Some(sum.unwrap_or(0) + bytes));
    }
    for (sum, rate) in [(&mut sum.receive_rate, row.receive_rate), (&mut sum.send_rate, row.send_rate)] {
        *sum = rate.map_or(*sum, |rate| Some(sum.unwrap_or(0.0) + rate));
    }
}
