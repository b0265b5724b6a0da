//! The order of the table: by any column, with ties in an order that does not flicker.
//!
//! Each row's key is made once and has no heap memory of its own: 10,000 rows are sorted within a millisecond or two.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::columns::Column;
use super::reading::Entry;

/// Column and direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: Column,
    pub(super) direction: Direction,
}

/// Which rows come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// The largest, or the worst.
    Descending,
    /// The smallest, or the first in the alphabet.
    Ascending,
}

impl Sort {
    /// By this column: figures and causes with the largest and worst first, names in alphabetical order.
    pub(super) fn by(column: Column) -> Sort {
        let direction = match column {
            Column::Peer | Column::Process => Direction::Ascending,
            _ => Direction::Descending,
        };
        Sort { column, direction }
    }

    /// The opposite order.
    pub(super) fn reversed(self) -> Sort {
        let direction = match self.direction {
            Direction::Descending => Direction::Ascending,
            Direction::Ascending => Direction::Descending,
        };
        Sort { direction, ..self }
    }

    /// The order in words.
    pub(super) fn words(self) -> &'static str {
        match (self.column, self.direction) {
            (Column::Cause, Direction::Descending) => "worst first",
            (Column::Cause, Direction::Ascending) => "worst last",
            (Column::Peer | Column::Process, Direction::Ascending) => "ascending",
            (Column::Peer | Column::Process, Direction::Descending) => "descending",
            (_, Direction::Descending) => "most first",
            (_, Direction::Ascending) => "least first",
        }
    }

    /// Sorts `order`, which has indexes of `entries`. What is not known comes last in both directions.
    pub(super) fn apply(self, order: &mut [u32], entries: &[Entry]) {
        let mut keys: Vec<Key> =
            order.iter().map(|&index| self.key(index, &entries[index as usize])).collect();
        keys.sort_unstable_by(|a, b| self.compare(a, b));
        for (place, key) in order.iter_mut().zip(keys) {
            *place = key.index;
        }
    }

    fn key(self, index: u32, entry: &Entry) -> Key<'_> {
        let number = |number: Option<f64>| number.map_or(Value::Unknown, Value::Number);
        let bytes = |bytes: Option<u64>| number(bytes.map(|bytes| bytes as f64));
        let row = &entry.row;
        let value = match self.column {
            // The address, which is part of every key.
            Column::Peer if entry.address.is_some() => Value::Number(0.0),
            Column::Peer => Value::Text(&row.client),
            Column::Process => entry.row.client_process.as_deref().map_or(Value::Unknown, Value::Text),
            Column::Connections => Value::Number(entry.connections.into()),
            Column::Cause => Value::Number(
                f64::from(row.cause.severity()) * WORSE
                    + row.cause_seconds.unwrap_or(0.0).clamp(0.0, WORSE - 1.0),
            ),
            Column::ClientSend => bytes(row.client_send),
            Column::ServerReceive => bytes(Some(row.server_receive)),
            Column::ServerSend => bytes(Some(row.server_send)),
            Column::ClientReceive => bytes(row.client_receive),
            Column::In => number(row.receive_rate),
            Column::Out => number(row.send_rate),
        };
        Key { value, queued: row.queued(), address: entry.address, index }
    }

    fn compare(self, a: &Key, b: &Key) -> Ordering {
        let known = a.value.is_unknown().cmp(&b.value.is_unknown());
        let directed = |order: Ordering| match self.direction {
            Direction::Descending => order.reverse(),
            Direction::Ascending => order,
        };
        let address = a.address.cmp(&b.address);
        let address = if self.column == Column::Peer { directed(address) } else { address };
        known
            .then_with(|| directed(a.value.compare(&b.value)))
            .then_with(|| if self.column == Column::Peer { Ordering::Equal } else { b.queued.cmp(&a.queued) })
            .then(address)
            .then_with(|| a.index.cmp(&b.index))
    }
}

/// What a row is sorted by.
#[derive(Debug)]
struct Key<'a> {
    value: Value<'a>,
    queued: u64,
    address: Option<(IpAddr, u16)>,
    index: u32,
}

#[derive(Debug)]
enum Value<'a> {
    Number(f64),
    Text(&'a str),
    Unknown,
}

impl Value<'_> {
    fn is_unknown(&self) -> bool {
        matches!(self, Value::Unknown)
    }

    fn compare(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            // Addresses before names.
            (Value::Number(_), _) => Ordering::Less,
            (_, Value::Number(_)) => Ordering::Greater,
            _ => Ordering::Equal,
        }
    }
}

/// Weight of a cause against its age in seconds: the age of no connection exceeds it.
const WORSE: f64 = 1e10;
