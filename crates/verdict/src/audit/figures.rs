//! The numbers of an attack that a report shows with its verdict.

use echoctl_record::{Drain, Evidence, StopReason};
use serde::{Deserialize, Serialize};

use super::signals::Signals;

/// The numbers of an attack. Sizes in bytes, times in seconds; `None` where something was not visible or not counted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Input that arrived at the server's kernel.
    pub accepted: u64,
    /// Input that the server read.
    pub server_read: u64,
    /// Output that the server wrote.
    pub server_written: u64,
    /// Input that was read and not written back, of a server that echoes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside_server: Option<u64>,
    /// Bytes that were drained at the end.
    #[serde(alias = "read_out", skip_serializing_if = "Option::is_none")]
    pub drained: Option<u64>,
    /// Part of them that the kernels had not buffered.
    #[serde(alias = "read_out_beyond_kernels", skip_serializing_if = "Option::is_none")]
    pub drained_beyond_kernels: Option<u64>,
    /// Maximum growth of the server's memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_growth: Option<u64>,
    /// Bytes of memory retained per byte of input read, from the trend of the memory's floor. Only for a server that kept reading
    /// and read enough: one that stopped has filled its bounded queues, with a ratio of about 1, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slope: Option<f64>,
    /// Bytes of output per byte of input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplification: Option<f64>,
    /// Maximum kernel memory of the attacked connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<u64>,
    /// How long neither input nor output had moved when the attack ended, apart from less than a few kilobytes.
    pub stalled_seconds: f64,
    /// These bytes.
    #[serde(skip)]
    pub moved_while_stalled: u64,
    /// Duration of the attack.
    pub attack_seconds: f64,
    /// Bytes that the server read and never echoed, where the replies were drained to their end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
}

/// The numbers of this attack; all 0 if nothing was recorded.
pub fn figures(evidence: &Evidence) -> Figures {
    let signals = Signals::of(evidence);
    if signals.is_empty() {
        return Figures::default();
    }
    let (read, written, last) = (signals.read, signals.written, signals.last.sample);
    let is_like_input = evidence.echo && evidence.repeats && written <= read.saturating_mul(2);
    let kept_reading = signals.has_accepted_much() && !signals.has_stalled();
    Figures {
        accepted: last.server_received.unwrap_or(last.produced),
        server_read: read,
        server_written: written,
        inside_server: (is_like_input && last.server_written.is_some()).then(|| read.saturating_sub(written)),
        drained: evidence.drain.as_ref().map(|drain| drain.bytes),
        drained_beyond_kernels: evidence.drain.as_ref().map(Drain::beyond_kernels),
        memory_growth: signals.peak(),
        slope: signals.retained().filter(|_| kept_reading),
        amplification: (read > 0).then(|| written as f64 / read as f64),
        kernel_memory: evidence.points.iter().filter_map(|point| point.sample.kernel_memory).max(),
        stalled_seconds: signals.stalled,
        moved_while_stalled: signals.moved_while_stalled(),
        attack_seconds: signals.t,
        lost: lost(&signals),
    }
}

/// Bytes that an echo server had to send back by the end of the attack: complete stimuli, on each connection.
pub fn expected_echo(evidence: &Evidence) -> Option<u64> {
    let last = evidence.points.last().filter(|_| evidence.echo)?.sample;
    // With several connections it is not known how much of its last stimulus each has sent, so partial ones do not count.
    let unfinished = match last.connections {
        0 | 1 => last.produced % evidence.unit.max(1),
        many => u64::from(many).saturating_mul(evidence.unit.max(1) - 1),
    };
    Some(last.produced.saturating_sub(unfinished))
}

/// Bytes that an echo server has read and did not send back, if its replies were drained until nothing more came.
fn lost(signals: &Signals<'_>) -> Option<u64> {
    let drain = signals.evidence.drain.as_ref().filter(|_| signals.disconnect().is_none())?;
    if matches!(drain.stopped, StopReason::Closed | StopReason::Enough) {
        return None;
    }
    let missing = expected_echo(signals.evidence)?.saturating_sub(signals.taken());
    // What it has not read may still be echoed.
    let unread = drain.server_read.map_or(0, |read| signals.last.sample.produced.saturating_sub(read));
    Some(missing.saturating_sub(unread))
}
