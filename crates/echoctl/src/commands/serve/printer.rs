//! Prints the events of `serve` on a thread of its own, the only one that may wait for the reader of the output.
//!
//! The server's threads put events into a bounded channel and never wait. When stdout stalls (a full pipe, a terminal with
//! Ctrl-S), the channel fills, further events are only counted, and the server keeps serving.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::{MemoryShare, start_thread};
use echoctl_proto::Framing;
use echoctl_record::count;
use echoctl_record::{Bytes, Rate};
use echoctl_server::{CloseReason, Config, Event, Listening, MinRate, Policy, Stats, anonymous_memory};

use super::Args;
use super::events::{
    AcceptPausedEvent, ClosedEvent, DrainingEvent, ListeningEvent, StatsEvent, SummaryEvent,
};
use crate::output::{READER_GRACE, json_now, note_now, print_now, redraw_now, terminal_size};

/// Handle to the printing thread.
pub(crate) struct Printer {
    sender: SyncSender<Line>,
    is_text: bool,
    missed: Arc<AtomicU64>,
    finished: Receiver<()>,
}

enum Line {
    Event(Event),
    Summary(Stats),
}

impl Printer {
    pub(crate) fn start(
        args: &Args,
        config: &Config,
        memory: MemoryShare,
    ) -> Result<Printer, echoctl_observe::Error> {
        let (sender, lines) = mpsc::sync_channel(QUEUE_CAPACITY);
        let (done, finished) = mpsc::channel::<()>();
        let missed = Arc::new(AtomicU64::new(0));
        let mut writer = EventWriter {
            style: if args.json() { Style::Json } else { Style::Text { is_live: args.is_live() } },
            config: config.clone(),
            memory,
            missed: missed.clone(),
            reported: 0,
            last: Stats::default(),
        };
        start_thread("printer", move || {
            while let Ok(line) = lines.recv() {
                let is_last = matches!(line, Line::Summary(_));
                // An error means that the reader is gone. A server without a log keeps serving.
                if writer.print(line).is_err() || is_last {
                    break;
                }
            }
            // Fails if `finish` has stopped waiting.
            let _ = done.send(());
        })?;
        Ok(Printer { sender, is_text: !args.json(), missed, finished })
    }

    /// The server's event sink. It never blocks.
    pub(crate) fn listener(&self) -> impl Fn(Event) + Send + Sync + 'static {
        let (sender, lost, is_text) = (self.sender.clone(), self.missed.clone(), self.is_text);
        move |event| {
            if is_text && matches!(event, Event::Closed { reason: CloseReason::Eof, .. }) {
                // A connection that the client closed is not worth a line.
                return;
            }
            if sender.try_send(Line::Event(event)).is_err() {
                lost.fetch_add(1, Relaxed);
            }
        }
    }

    /// Prints the totals, and waits at most [`READER_GRACE`] for pending output. Returns false if that was too short for a
    /// reader that still exists.
    pub(crate) fn finish(self, totals: Stats) -> bool {
        let Printer { sender, finished, .. } = self;
        let began = Instant::now();
        let mut summary = Line::Summary(totals);
        while began.elapsed() < READER_GRACE {
            match sender.try_send(summary) {
                Err(mpsc::TrySendError::Full(line)) => summary = line,
                _ => break,
            }
            thread::sleep(RETRY_INTERVAL);
        }
        let left = READER_GRACE.saturating_sub(began.elapsed());
        // A printer that exited, even by a panic, does not wait for a reader.
        !matches!(finished.recv_timeout(left), Err(RecvTimeoutError::Timeout))
    }
}

/// Form of the output.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// One JSON object per line on stdout.
    Json,
    /// Sentences on stderr, and a status line that is redrawn in place if `is_live`.
    Text { is_live: bool },
}

struct EventWriter {
    style: Style,
    config: Config,
    /// Memory limit, with the reason for a default.
    memory: MemoryShare,
    /// Number of events that did not fit into the channel, and how many of those are reported.
    missed: Arc<AtomicU64>,
    reported: u64,
    /// Previous stats, for rates.
    last: Stats,
}

impl EventWriter {
    fn print(&mut self, line: Line) -> io::Result<()> {
        match (self.style, line) {
            (Style::Json, Line::Event(event)) => self.print_json(&event),
            (Style::Json, Line::Summary(stats)) => {
                json_now("summary", &SummaryEvent::of(&stats), self.missed.load(Relaxed))
            }
            (Style::Text { is_live }, Line::Event(event)) => self.print_text(is_live, event),
            (Style::Text { is_live }, Line::Summary(stats)) => {
                clear(is_live)?;
                print_now(closing_sentence(&stats, self.missed.load(Relaxed)))
            }
        }
    }

    fn print_json(&mut self, event: &Event) -> io::Result<()> {
        let missed = self.newly_missed();
        match event {
            Event::Listening(listening) => {
                json_now("listening", &ListeningEvent::of(listening, &self.config), missed)
            }
            Event::Stats(stats) => json_now("stats", &StatsEvent::of(stats), missed),
            Event::Closed { peer, reason, totals } => {
                json_now("closed", &ClosedEvent::of(*peer, reason, totals), missed)
            }
            Event::ShuttingDown { connections, drain } => {
                let (connections, timeout) = (*connections, drain.as_secs_f64());
                json_now("draining", &DrainingEvent { connections, timeout }, missed)
            }
            Event::AcceptPaused { error } => {
                json_now("accept_paused", &AcceptPausedEvent { error: error.to_string() }, missed)
            }
        }
    }

    /// Number of events lost since the last call.
    fn newly_missed(&mut self) -> u64 {
        let missed = self.missed.load(Relaxed);
        missed - std::mem::replace(&mut self.reported, missed)
    }

    fn print_text(&mut self, is_live: bool, event: Event) -> io::Result<()> {
        match event {
            Event::Listening(listening) => {
                let greeting = self.greeting(&listening);
                self.log(is_live, &greeting)
            }
            Event::Stats(stats) => {
                let line = self.live_line(is_live, &stats);
                self.last = stats;
                if is_live { redraw_now(Some(&line)) } else { self.log(is_live, &line) }
            }
            Event::Closed { peer, reason, totals } => {
                let (received, sent) = (Bytes(totals.received), Bytes(totals.sent));
                self.log(is_live, &format!("{peer} closed ({received} read, {sent} written): {reason}"))
            }
            Event::ShuttingDown { connections: 0, .. } => Ok(()),
            Event::ShuttingDown { connections, drain } => {
                let (open, drain) =
                    (count(connections as u64, "connection"), humantime::format_duration(drain));
                self.log(
                    is_live,
                    &format!("shutting down: waiting at most {drain} for pending replies on {open}"),
                )
            }
            Event::AcceptPaused { error } => {
                self.log(is_live, &format!("warning: cannot accept connections, retrying: {error}"))
            }
        }
    }

    fn log(&mut self, is_live: bool, text: &str) -> io::Result<()> {
        clear(is_live)?;
        note_now(text, self.newly_missed())
    }

    fn greeting(&self, listening: &Listening) -> String {
        let Config { framing, policy, io, .. } = &self.config;
        let mut text = format!("listening on {} (framing {framing}, backpressure {policy}", listening.addr);
        if let Some(limit) = policy.limit() {
            text += &format!(", queue limit {}", Bytes(limit as u64));
        }
        text += &format!(", I/O model {})", io.name());
        text +=
            &format!("\nmemory limit {}; above it, the connection that buffers most is reset", self.memory);
        let buffers = [
            ("send", self.config.send_buffer, listening.send_buffer),
            ("receive", self.config.receive_buffer, listening.receive_buffer),
        ];
        for (name, asked, given) in buffers {
            if let (Some(asked), Some(given)) = (asked, given) {
                let (asked, given) = (Bytes(asked as u64), Bytes(given as u64));
                text += &format!("\n{name} buffer: requested {asked}, the kernel set {given}");
            }
        }
        let longest = self.config.longest_payload();
        if longest < self.config.max_frame && *framing != Framing::Raw {
            let (longest, asked) = (Bytes(longest as u64), Bytes(self.config.max_frame as u64));
            text += &format!(
                "\nmaximum payload {longest} instead of {asked}: the memory limit has no room for more"
            );
        }
        if let Some(MinRate { bytes_per_second, .. }) = self.config.min_rate {
            text += &format!(
                "\nminimum rate {}: a peer that acknowledges pending bytes more slowly is disconnected",
                Rate(bytes_per_second as f64)
            );
        }
        match self.config.write_timeout {
            Some(timeout) => {
                text += &format!(
                    "\nwrite timeout {}: a peer that acknowledges no pending bytes for this long is disconnected",
                    humantime::format_duration(timeout)
                );
            }
            None if self.config.min_rate.is_some() => {}
            None => {
                text +=
                    "\nwarning: no write timeout: a peer that never reads stays connected (--write-timeout)";
            }
        }
        text
    }

    /// The status line: with rates if there is room, and otherwise without the least important figures.
    fn live_line(&self, is_live: bool, stats: &Stats) -> String {
        let room = if is_live { terminal_size().0.saturating_sub(1) } else { usize::MAX };
        let long = self.figures(stats, true).join("  ");
        if long.chars().count() <= room {
            return long;
        }
        fitting(self.figures(stats, false), room)
    }

    /// Connections, bytes read, bytes written, and the bytes in memory.
    fn figures(&self, stats: &Stats, with_rates: bool) -> Vec<String> {
        let seconds = stats.uptime.saturating_sub(self.last.uptime).as_secs_f64().max(1e-3);
        let flow = |now: u64, before: u64| match with_rates {
            true => format!("{} ({})", Bytes(now), Rate(now.saturating_sub(before) as f64 / seconds)),
            false => Bytes(now).to_string(),
        };
        let mut figures = vec![
            count(stats.connections as u64, if with_rates { "connection" } else { "conn" }),
            format!("read {}", flow(stats.totals.received, self.last.totals.received)),
            format!("written {}", flow(stats.totals.sent, self.last.totals.sent)),
            format!("queued {}", Bytes(stats.buffered)),
        ];
        if matches!(self.config.policy, Policy::Drop { .. }) {
            let dropped = stats.totals.dropped_frames;
            figures.push(match with_rates {
                true => format!("dropped {}", count(dropped, "frame")),
                false => format!("dropped {dropped}"),
            });
        }
        figures.extend(anonymous_memory().map(|memory| format!("memory {}", Bytes(memory))));
        // The clients' ends buffer about as much again.
        figures.extend(stats.own_kernel_memory.map(|memory| format!("kernel (this end) {}", Bytes(memory))));
        figures
    }
}

/// The figures in at most `room` columns. Bytes written are left out first, then bytes read; both are in the totals at the end.
fn fitting(mut figures: Vec<String>, room: usize) -> String {
    for least_important in [WRITTEN, READ] {
        if figures.join("  ").chars().count() > room && figures.len() > least_important {
            figures.remove(least_important);
        }
    }
    figures.join("  ")
}

/// Places of these two among the figures.
const READ: usize = 1;
const WRITTEN: usize = 2;

fn closing_sentence(stats: &Stats, lost: u64) -> String {
    let mut text = format!(
        "served {}: {} read, {} written",
        count(stats.accepted, "connection"),
        Bytes(stats.totals.received),
        Bytes(stats.totals.sent)
    );
    if stats.totals.dropped_frames > 0 {
        text += &format!(", {} dropped", count(stats.totals.dropped_frames, "frame"));
    }
    if lost > 0 {
        text += &format!(" ({} not printed, because the output was not read in time)", count(lost, "event"));
    }
    text
}

fn clear(is_live: bool) -> io::Result<()> {
    if is_live { redraw_now(None) } else { Ok(()) }
}

/// Capacity of the channel in events of a few hundred bytes each: enough for a burst of closed connections.
const QUEUE_CAPACITY: usize = 1024;

/// Interval of attempts to queue the last line.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_line_leaves_out_bytes_read_and_written() {
        let figures =
            || ["1 conn", "read 1 GiB", "written 1 MiB", "queued 1 MiB", "kernel 7 MiB"].map(str::to_owned);

        assert_eq!(
            fitting(figures().into(), 80),
            "1 conn  read 1 GiB  written 1 MiB  queued 1 MiB  kernel 7 MiB"
        );
        assert_eq!(fitting(figures().into(), 50), "1 conn  read 1 GiB  queued 1 MiB  kernel 7 MiB");
        assert_eq!(fitting(figures().into(), 40), "1 conn  queued 1 MiB  kernel 7 MiB");
    }
}
