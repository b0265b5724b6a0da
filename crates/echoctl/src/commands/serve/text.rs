//! What `serve` prints for people: a greeting, a sentence per event, a status line, and the totals.

use echoctl_observe::{MemoryShare, own_anonymous_memory};
use echoctl_proto::Framing;
use echoctl_record::{Bytes, Rate, count};
use echoctl_server::{Config, Event, Listening, MinRate, Policy, Stats};

use super::switch::Change;

/// The greeting: the address, the settings, and the limits of a peer that does not read.
pub(super) fn greeting(listening: &Listening, config: &Config, memory: MemoryShare) -> String {
    let Config { framing, policy, io, .. } = config;
    let mut text = format!("listening on {} (framing {framing}, backpressure {policy}", listening.addr);
    if let Some(limit) = policy.limit() {
        text += &format!(", queue limit {}", Bytes(limit as u64));
    }
    text += &format!(", I/O model {})", io.name());
    text += &format!("\nmemory limit {memory}; above it, the connection that buffers most is reset");
    let buffers = [
        ("send", config.send_buffer, listening.send_buffer),
        ("receive", config.receive_buffer, listening.receive_buffer),
    ];
    for (name, asked, given) in buffers {
        if let (Some(asked), Some(given)) = (asked, given) {
            let (asked, given) = (Bytes(asked as u64), Bytes(given as u64));
            text += &format!("\n{name} buffer: requested {asked}, the kernel set {given}");
        }
    }
    let longest = config.longest_payload();
    if longest < config.max_frame && *framing != Framing::Raw {
        let (longest, asked) = (Bytes(longest as u64), Bytes(config.max_frame as u64));
        text +=
            &format!("\nmaximum payload {longest} instead of {asked}: the memory limit has no room for more");
    }
    if let Some(MinRate { bytes_per_second, .. }) = config.min_rate {
        text += &format!(
            "\nminimum rate {}: a peer that acknowledges pending bytes more slowly is disconnected",
            Rate(bytes_per_second as f64)
        );
    }
    match config.write_timeout {
        Some(timeout) => {
            text += &format!(
                "\nwrite timeout {}: a peer that acknowledges no pending bytes for this long is disconnected",
                humantime::format_duration(timeout)
            );
        }
        None if config.min_rate.is_some() => {}
        None => {
            text += "\nwarning: no write timeout: a peer that never reads stays connected (--write-timeout)";
        }
    }
    text
}

/// A sentence about an event other than the greeting and the stats; `None` if it is not worth a line.
pub(in crate::commands) fn sentence(event: &Event) -> Option<String> {
    match event {
        Event::Closed { reason, .. } if reason.is_normal() => None,
        Event::Closed { peer, reason, totals } => {
            let (received, sent) = (Bytes(totals.received), Bytes(totals.sent));
            Some(format!("{peer} closed ({received} read, {sent} written): {reason}"))
        }
        Event::ShuttingDown { connections: 0, .. } => None,
        Event::ShuttingDown { connections, drain } => {
            let (open, drain) =
                (count(*connections as u64, "connection"), humantime::format_duration(*drain));
            Some(format!("shutting down: waiting at most {drain} for pending replies on {open}"))
        }
        Event::AcceptPaused { error } => {
            Some(format!("warning: cannot accept connections, retrying: {error}"))
        }
        Event::Listening(_) | Event::Stats(_) => None,
    }
}

/// What a key has changed.
pub(super) fn change_sentence(change: Change) -> String {
    let Change { from, to } = change;
    let mut text = format!("policy changed from {from} to {to}");
    if let Some(limit) = to.limit() {
        text += &format!(", queue limit {}", Bytes(limit as u64));
    }
    text
}

/// The totals.
pub(super) fn closing_sentence(stats: &Stats) -> String {
    let mut text = format!(
        "served {}: {} read, {} written",
        count(stats.accepted, "connection"),
        Bytes(stats.totals.received),
        Bytes(stats.totals.sent)
    );
    if stats.totals.dropped_frames > 0 {
        text += &format!(", {} dropped", count(stats.totals.dropped_frames, "frame"));
    }
    text
}

/// Whether a status line has rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    WithRates,
    Totals,
}

/// The status line in at most `columns`: with rates if there is room, and otherwise without the least important figures.
/// `last` are the previous stats, for the rates.
pub(super) fn status_line(stats: &Stats, last: &Stats, policy: Policy, columns: usize) -> String {
    let detailed = status(stats, last, policy, Detail::WithRates).join(BETWEEN);
    if detailed.chars().count() <= columns {
        return detailed;
    }
    shortened(status(stats, last, policy, Detail::Totals), columns)
}

/// The figures of a status line: connections, bytes read and written, and the bytes in memory.
fn status(stats: &Stats, last: &Stats, policy: Policy, detail: Detail) -> Vec<String> {
    let seconds = stats.uptime.saturating_sub(last.uptime).as_secs_f64().max(1e-3);
    let flow = |now: u64, before: u64| match detail {
        Detail::WithRates => {
            format!("{} ({})", Bytes(now), Rate(now.saturating_sub(before) as f64 / seconds))
        }
        Detail::Totals => Bytes(now).to_string(),
    };
    let (noun, dropped) = match detail {
        Detail::WithRates => ("connection", count(stats.totals.dropped_frames, "frame")),
        Detail::Totals => ("conn", stats.totals.dropped_frames.to_string()),
    };
    let figures = [
        Some(count(stats.connections as u64, noun)),
        Some(format!("read {}", flow(stats.totals.received, last.totals.received))),
        Some(format!("written {}", flow(stats.totals.sent, last.totals.sent))),
        Some(format!("queued {}", Bytes(stats.buffered))),
        matches!(policy, Policy::Drop { .. }).then(|| format!("dropped {dropped}")),
        own_anonymous_memory().map(|memory| format!("memory {}", Bytes(memory))),
        // The clients' ends buffer about as much again.
        stats.own_kernel_memory.map(|memory| format!("kernel (this end) {}", Bytes(memory))),
    ];
    figures.into_iter().flatten().collect()
}

/// The figures in one line, without the bytes written, and then the bytes read, as far as needed; both are in the totals at
/// the end.
fn shortened(mut figures: Vec<String>, columns: usize) -> String {
    for least_important in [2, 1] {
        if figures.join(BETWEEN).chars().count() > columns {
            figures.remove(least_important);
        }
    }
    figures.join(BETWEEN)
}

/// Between two figures.
const BETWEEN: &str = "  ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_line_leaves_out_bytes_written_and_read() {
        let figures = ["1 conn", "read 1 GiB", "written 1 MiB", "queued 1 MiB", "kernel 7 MiB"];
        let shrunk = |columns| shortened(figures.map(str::to_owned).to_vec(), columns);

        assert_eq!(shrunk(80), "1 conn  read 1 GiB  written 1 MiB  queued 1 MiB  kernel 7 MiB");
        assert_eq!(shrunk(50), "1 conn  read 1 GiB  queued 1 MiB  kernel 7 MiB");
        assert_eq!(shrunk(40), "1 conn  queued 1 MiB  kernel 7 MiB");
    }
}
