//! A live server as one line of text, with its culprits, and as a summary.

mod culprits;
mod summary;

use echoctl_record::{Bytes, ListenerFigures, Queue, Queues, Roles, Sample, Seconds};
use echoctl_report::Recent;

pub(super) use culprits::CulpritLines;
pub(super) use summary::print_summary;

/// Prints a server again and again. Remembers a few seconds, for rates.
#[derive(Debug)]
pub(super) struct WatchText {
    roles: Roles,
    /// Samples in which `produced` and `consumed` are what the server has received and written since the start.
    recent: Recent,
    /// Whether bytes that move are counted.
    counts: bool,
}

impl WatchText {
    pub(super) fn new(roles: Roles) -> WatchText {
        WatchText { roles, recent: Recent::over(RATE_SECONDS), counts: true }
    }

    /// Adds one sample, up to which the server has `moved` this many bytes in and out, if that is visible.
    pub(super) fn add(&mut self, sample: &Sample, moved: Option<(u64, u64)>) {
        self.counts = moved.is_some();
        let (produced, consumed) = moved.unwrap_or_default();
        self.recent.add(Sample { produced, consumed, ..*sample });
    }

    /// One line of some 95 columns, for a log, with the time of the day. The rates, the queues and the memory are those of the server;
    /// `suspended` are its processes that are.
    pub(super) fn line(
        &self,
        clock: &str,
        sample: &Sample,
        listeners: &[ListenerFigures],
        suspended: &[u32],
    ) -> String {
        let queues = Queues::of(sample);
        let (received, written) = self.rates();
        let joint = if clock.is_empty() { "" } else { "  " };
        format!(
            "{clock}{joint}{}  {} open  {} in {received} out {written}  recv-q {} send-q {}  mem {}",
            Seconds(sample.t),
            sample.connections,
            self.roles.watched(),
            size(queues[Queue::ServerReceive]),
            size(queues[Queue::ServerSend]),
            size(sample.server_memory),
        ) + &accept_queue(listeners)
            + if suspended.is_empty() { "" } else { "  suspended (SIGSTOP)" }
    }

    /// Bytes per second in and out, over the last seconds, if they are visible.
    #[cfg(feature = "tui")]
    pub(super) fn traffic(&self) -> Option<(String, String)> {
        self.counts.then(|| self.rates())
    }

    /// How the server's memory changes; empty if that is not known.
    #[cfg(feature = "tui")]
    pub(super) fn memory_trend(&self, sample: &Sample) -> String {
        let memory = |sample: &Sample| sample.server_memory;
        memory(sample).map_or(String::new(), |bytes| self.recent.trend(memory, bytes))
    }

    /// Bytes per second in and out, over the last seconds; `-` if they are not visible, and in the first sample.
    fn rates(&self) -> (String, String) {
        let rate = |bytes: fn(&Sample) -> u64| {
            let rate = self.recent.mean(bytes).filter(|_| self.counts);
            rate.map_or("-".to_owned(), |rate| rate.to_string())
        };
        (rate(|sample| sample.produced), rate(|sample| sample.consumed))
    }
}

/// The connections that no listener has accepted, and the clients that cannot connect, if there are any.
fn accept_queue(listeners: &[ListenerFigures]) -> String {
    let total =
        |count: fn(&ListenerFigures) -> Option<u32>| -> u32 { listeners.iter().filter_map(count).sum() };
    let mut text = match total(|listener| listener.accept_queue) {
        0 => String::new(),
        waiting => format!("  accept-q {waiting}/{}", total(|listener| listener.accept_queue_limit)),
    };
    if listeners.iter().any(ListenerFigures::is_full) {
        text.push_str(" full");
    }
    match total(|listener| listener.connecting) {
        0 => text,
        connecting => text + &format!("  syn-sent {connecting}"),
    }
}

/// A number of bytes, if it is visible.
fn size(bytes: Option<u64>) -> String {
    bytes.map_or("-".to_owned(), |bytes| Bytes(bytes).to_string())
}

/// Seconds over which rates are averaged. Shorter ones flicker, longer ones lag.
const RATE_SECONDS: f64 = 2.0;

#[cfg(test)]
mod tests;
