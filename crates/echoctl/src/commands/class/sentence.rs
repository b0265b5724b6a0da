//! Which queue is full and why, in one sentence.

use echoctl_record::{Bytes, ClassRow, Queue, count};
use echoctl_server::Policy;

/// What a moment of a class shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation<'a> {
    pub(super) policy: Policy,
    pub(super) is_paused: bool,
    pub(super) connections: usize,
    /// Bytes of all connections that wait until the server reads.
    pub(super) unread_by_server: u64,
    /// Whether bytes moved a moment ago.
    pub(super) is_moving: bool,
    /// Whether there is more inside the server than a moment ago.
    pub(super) is_growing: bool,
    /// Frames that were dropped, and whether more are.
    pub(super) dropped: u64,
    pub(super) is_dropping: bool,
    /// The connections whose clients do not read, or slowly.
    pub(super) waiting: &'a Waiting,
}

/// The connections that wait for their clients, added up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Waiting {
    /// Names or addresses of some of them, the worst first.
    pub(super) names: Vec<String>,
    /// Number of all.
    pub(super) count: usize,
    /// Whether all of them read, if slowly.
    pub(super) is_slow: bool,
    /// Bytes in each queue, in the order of the path.
    pub(super) queues: [u64; 5],
}

impl Waiting {
    /// Number of names that are said.
    const NAMED: usize = 2;

    /// Adds a connection.
    pub(super) fn add(&mut self, name: impl FnOnce() -> String, is_slow: bool, queues: [Option<u64>; 5]) {
        self.is_slow = is_slow && (self.is_slow || self.count == 0);
        self.count += 1;
        if self.names.len() < Self::NAMED {
            self.names.push(name());
        }
        for (sum, bytes) in self.queues.iter_mut().zip(queues) {
            *sum += bytes.unwrap_or(0);
        }
    }

    fn bytes(&self, queue: Queue) -> u64 {
        self.queues[queue as usize]
    }

    /// "ada", "ada and bob", "ada, bob and 3 others".
    fn who(&self) -> String {
        let others = self.count.saturating_sub(self.names.len());
        match (self.names.as_slice(), others) {
            ([one, two], 0) => format!("{one} and {two}"),
            (names, 0) => names.join(", "),
            (names, others) => format!("{} and {}", names.join(", "), count(others as u64, "other")),
        }
    }

    fn do_not_read(&self) -> &'static str {
        match (self.count, self.is_slow) {
            (1, false) => "does not read",
            (1, true) => "reads slowly",
            (_, false) => "do not read",
            (_, true) => "read slowly",
        }
    }

    /// The queue of a kernel that has most of the bytes.
    fn fullest(&self) -> Queue {
        let kernels = Queue::ALL.into_iter().filter(|queue| queue.is_kernel());
        kernels.max_by_key(|queue| self.bytes(*queue)).unwrap_or(Queue::ServerSend)
    }
}

/// The sentence.
pub(super) fn sentence(situation: &Situation<'_>) -> String {
    let s = situation;
    if s.connections == 0 {
        return "No client is connected.".to_owned();
    }
    if s.is_paused {
        return match s.unread_by_server {
            0 => "Paused: the server reads from no connection.".to_owned(),
            bytes => {
                format!("Paused: the server reads from no connection, and {} wait for it.", Bytes(bytes))
            }
        };
    }
    if s.waiting.count > 0 {
        return of_waiting(s);
    }
    match s.is_moving {
        true => "Every client reads: no queue stays full.".to_owned(),
        false => "Nothing moves, and no queue of the server holds a byte for long.".to_owned(),
    }
}

/// Where the bytes are for which clients have to read.
fn of_waiting(s: &Situation<'_>) -> String {
    let waiting = s.waiting;
    let (who, do_not_read) = (waiting.who(), waiting.do_not_read());
    let inside = Bytes(waiting.bytes(Queue::Inside));
    let is_held_back = waiting.bytes(Queue::ServerReceive) > 0;
    match s.policy {
        Policy::Off if s.is_growing && inside.0 > 0 => format!(
            "No backpressure: {who} {do_not_read}, but the server keeps reading and buffers the replies in memory, {inside} so far."
        ),
        Policy::Off if inside.0 > 0 => {
            format!("{who} {do_not_read}, and the server buffers the replies in memory: {inside}.")
        }
        Policy::Drop { .. } if s.is_dropping => format!(
            "{who} {do_not_read}: the queue inside the server is full, and it drops new frames, {} so far.",
            s.dropped
        ),
        _ if is_held_back => format!(
            "Backpressure: {who} {do_not_read}, so the server stopped reading and the producer has to wait; {}.",
            contents(waiting)
        ),
        _ => format!("{who} {do_not_read}: {}.", contents(waiting)),
    }
}

/// "the server send queue holds 4 MiB", with what is inside the server where that is more than one read.
fn contents(waiting: &Waiting) -> String {
    let fullest = waiting.fullest();
    let (name, held) = (fullest.label(), Bytes(waiting.bytes(fullest)));
    let (queue, hold) =
        if waiting.count == 1 { (name.to_owned(), "holds") } else { (format!("{name}s"), "hold") };
    let queues = format!("the {queue} {hold} {held}");
    match waiting.bytes(Queue::Inside) {
        inside if inside > ONE_READ * waiting.count as u64 => {
            format!("{queues}, and {} are inside the server", Bytes(inside))
        }
        _ => queues,
    }
}

/// What a row is called.
pub(super) fn called(row: &ClassRow) -> String {
    row.name.clone().unwrap_or_else(|| row.peer.clone())
}

/// Bytes that a connection has inside the server while it waits under every policy: one large read.
const ONE_READ: u64 = 128 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Clients of these names that do not read, each with 4 MiB in the server's send queue and `inside` in the server.
    fn waiting(names: &[&str], inside: u64, unread: u64) -> Waiting {
        let mut waiting = Waiting::default();
        for name in names {
            let queues = [Some(0), Some(unread), Some(inside), Some(4 * MIB), None];
            waiting.add(|| (*name).to_owned(), false, queues);
        }
        waiting
    }

    fn said(waiting: &Waiting, change: impl FnOnce(&mut Situation<'_>)) -> String {
        let mut situation = Situation {
            policy: Policy::Await,
            is_paused: false,
            connections: 30,
            unread_by_server: 0,
            is_moving: true,
            is_growing: false,
            dropped: 0,
            is_dropping: false,
            waiting,
        };
        change(&mut situation);
        sentence(&situation)
    }

    #[test]
    fn who_does_not_read_and_where_the_bytes_are() {
        let one = waiting(&["ada"], 90 * MIB, 0);
        assert_eq!(
            said(&one, |s| (s.policy, s.is_growing) = (Policy::Off, true)),
            "No backpressure: ada does not read, but the server keeps reading and buffers the replies in memory, 90 MiB so far."
        );
        assert_eq!(
            said(&one, |s| s.policy = Policy::Off),
            "ada does not read, and the server buffers the replies in memory: 90 MiB."
        );
        assert_eq!(
            said(&waiting(&["ada", "bob", "eve"], 1000, MIB), |_| ()),
            "Backpressure: ada, bob and 1 other do not read, so the server stopped reading and the producer has to wait; the server \
             send queues hold 12 MiB."
        );
        assert_eq!(
            said(&waiting(&["ada", "bob"], 50 * MIB, 0), |_| ()),
            "ada and bob do not read: the server send queues hold 8 MiB, and 100 MiB are inside the server."
        );
        assert_eq!(
            said(&one, |s| (s.policy, s.is_dropping, s.dropped) = (Policy::Drop { limit: 9 }, true, 77)),
            "ada does not read: the queue inside the server is full, and it drops new frames, 77 so far."
        );
    }

    #[test]
    fn a_few_unread_bytes_are_said_where_they_are() {
        let mut suspended = Waiting::default();
        suspended.add(|| "eve".to_owned(), false, [Some(0), Some(0), Some(0), Some(0), Some(12)]);

        assert_eq!(said(&suspended, |_| ()), "eve does not read: the client receive queue holds 12 B.");
    }

    #[test]
    fn a_calm_class_is_said_to_be_calm() {
        let nobody = Waiting::default();

        assert_eq!(said(&nobody, |s| s.connections = 0), "No client is connected.");
        assert_eq!(said(&nobody, |_| ()), "Every client reads: no queue stays full.");
        assert!(said(&nobody, |s| s.is_moving = false).starts_with("Nothing moves"));
        assert_eq!(
            said(&nobody, |s| (s.is_paused, s.unread_by_server) = (true, 3 * MIB)),
            "Paused: the server reads from no connection, and 3 MiB wait for it."
        );
    }

    #[test]
    fn only_if_all_read_slowly_it_is_said_of_all() {
        let mut clients = Waiting::default();
        for (name, is_slow) in [("ada", true), ("bob", false), ("eve", true)] {
            clients.add(|| name.to_owned(), is_slow, [None; 5]);
        }
        assert!(!clients.is_slow);
    }
}
