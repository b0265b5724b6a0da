//! The six counters of a connection, combined from one reading of both endpoints and the counters before it.
//!
//! ```text
//! produced ── server_received ── server_read ── server_written ── client_received ── consumed
//!          │                  │              │                 │                  │
//!     client's send    server's receive   inside the      server's send    client's receive
//!         queue             queue           server            queue             queue
//! ```
//!
//! The queues are the differences of neighbours, so their sum is `produced - consumed` whatever the readings: an error can only
//! move a boundary.

/// The six counters of one connection: payload bytes, cumulative. `None`: not visible on this system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Written by the client.
    pub produced: u64,
    /// Received by the server's kernel.
    pub server_received: Option<u64>,
    /// Read by the server.
    pub server_read: Option<u64>,
    /// Written by the server.
    pub server_written: Option<u64>,
    /// Received by the client's kernel.
    pub client_received: Option<u64>,
    /// Read by the client.
    pub consumed: u64,
    /// How much `produced` and `consumed` grew during the reading: the maximum error of a boundary.
    pub skew: u64,
}

/// One reading of a connection, in payload bytes. `None`: not visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Written by the client: its own count, or what its kernel accepted.
    pub produced: Option<u64>,
    /// Read by the client: its own count, or what its kernel delivered.
    pub consumed: Option<u64>,
    /// Acknowledged by the server's kernel, as the client's kernel counts.
    pub acknowledged: Option<u64>,
    /// Received by the client's kernel.
    pub client_received: Option<u64>,
    /// The server's endpoint; `None` if it is closed or on another host.
    pub server: Option<ServerSeen>,
    /// As in [`Counters::skew`].
    pub skew: u64,
}

/// One reading of the server's endpoint, in payload bytes. Some systems, and the files of another network namespace, show only its
/// queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServerSeen {
    /// Received by its kernel.
    pub received: Option<u64>,
    /// In its receive queue.
    pub unread: u64,
    /// Acknowledged by the client's kernel.
    pub acknowledged: Option<u64>,
    /// In its send queue.
    pub unacknowledged: u64,
}

/// The counters after a reading, from those before it.
///
/// What one kernel counts in one number never falls. What the server has read and written is computed from two numbers, which
/// the kernel reads one after the other: bytes that move in between count twice, until the next reading. So these two follow the
/// kernel while the endpoint is visible: a maximum would preserve the error. When the endpoint vanishes, and its queues with it,
/// the server's counters continue from their last values with what the client's kernel shows.
///
/// Where only the server's queues are visible, its counters are what the client's kernel counts, less or more by a queue. If the
/// client is not visible either, they are the least that explains how the queues changed.
pub fn combine(previous: &Counters, seen: &Seen) -> Counters {
    let arrived = seen.client_received.or(seen.server.and_then(|server| server.acknowledged));
    let mut client_received = previous.client_received.max(arrived);
    let received = match seen.server {
        Some(server) => server.received.or(seen.acknowledged),
        None => seen.acknowledged,
    };
    let mut server_received = previous.server_received.max(received);
    let (server_read, server_written) = match seen.server {
        Some(server) => {
            let read = match received {
                Some(received) => Some(received.saturating_sub(server.unread)),
                None => pass_queue(&mut server_received, previous.server_read, server.unread),
            };
            let written = match server.acknowledged.or(seen.client_received) {
                Some(sent) => Some(sent.saturating_add(server.unacknowledged)),
                None => {
                    let mut written = previous.server_written;
                    client_received = pass_queue(&mut written, client_received, server.unacknowledged);
                    written
                }
            };
            (read, written)
        }
        // It is closed: it can neither hold nor write anything any more.
        None if previous.server_read.is_some() => {
            (previous.server_read.max(server_received), previous.server_written)
        }
        None => (None, None),
    };
    let consumed = previous.consumed.max(seen.consumed.or(client_received).unwrap_or(0));
    let client_received = client_received.map(|received| received.max(consumed));
    let server_written = server_written.map(|written| written.max(client_received.unwrap_or(0)));
    Counters {
        // A write counts when it returns, and its first bytes may have arrived before that.
        produced: previous.produced.max(seen.produced.unwrap_or(0)).max(server_received.unwrap_or(0)),
        server_received,
        server_read,
        server_written,
        client_received,
        consumed,
        skew: seen.skew,
    }
}

/// Raises what has gone into a queue, and returns what has left it, to the least that explains its length.
fn pass_queue(into: &mut Option<u64>, left: Option<u64>, length: u64) -> Option<u64> {
    let left = left.unwrap_or(0);
    let least = into.unwrap_or(0).max(left.saturating_add(length));
    *into = Some(least);
    Some(left.max(least - length))
}
