//! What `serve` prints, by a thread that alone may wait for whoever reads it.
//!
//! The server's threads put events into a bounded channel and never wait: when stdout stalls (a full pipe, a terminal with
//! Ctrl-S) the channel fills, further events are counted instead of kept, and the server serves on.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use echoctl_record::{Bytes, Rate};
use echoctl_server::{
    Config, Event, Listening, Policy, Reason, Stats, Totals, anonymous_memory, kernel_tcp_memory,
};
use serde::Serialize;

use super::Args;
use crate::output::{json_line, say, terminal_size};

/// The printing thread, and the way to it.
pub(crate) struct Printer {
    sender: SyncSender<Line>,
    lost: Arc<AtomicU64>,
    finished: Receiver<()>,
}

enum Line {
    Event(Event),
    Summary(Stats),
}

impl Printer {
    pub(crate) fn start(args: &Args, config: &Config) -> io::Result<Printer> {
        let (sender, lines) = mpsc::sync_channel(KEPT);
        let (done, finished) = mpsc::channel::<()>();
        let lost = Arc::new(AtomicU64::new(0));
        let mut page = Page {
            style: if args.json() { Style::Json } else { Style::Text { is_live: args.is_live() } },
            config: config.clone(),
            lost: lost.clone(),
            last: Stats::default(),
        };
        thread::Builder::new().name("printer".to_owned()).spawn(move || {
            let _when_done = done;
            while let Ok(line) = lines.recv() {
                let is_last = matches!(line, Line::Summary(_));
                // An error means that nobody reads any more: a server whose log is gone still serves.
                if page.print(line).is_err() || is_last {
                    return;
                }
            }
        })?;
        Ok(Printer { sender, lost, finished })
    }

    /// What the server is to call: it returns at once.
    pub(crate) fn listener(&self) -> impl Fn(Event) + Send + Sync + 'static {
        let (sender, lost) = (self.sender.clone(), self.lost.clone());
        move |event| {
            if sender.try_send(Line::Event(event)).is_err() {
                lost.fetch_add(1, Relaxed);
            }
        }
    }

    /// Prints the totals, and waits a moment for all that is still to be printed.
    pub(crate) fn finish(self, totals: Stats) -> io::Result<()> {
        let Printer { sender, finished, .. } = self;
        let mut summary = Line::Summary(totals);
        for _ in 0..LAST_TRIES {
            match sender.try_send(summary) {
                Err(mpsc::TrySendError::Full(line)) => summary = line,
                _ => break,
            }
            thread::sleep(LAST_WAIT / LAST_TRIES);
        }
        drop(sender);
        // Ends when the thread has printed everything; a stalled reader is not waited for.
        let _ = finished.recv_timeout(LAST_WAIT);
        Ok(())
    }
}

/// How it is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// One object a line on stdout.
    Json,
    /// Sentences on stderr, and, live, one line that is redrawn.
    Text { is_live: bool },
}

struct Page {
    style: Style,
    config: Config,
    lost: Arc<AtomicU64>,
    /// The stats before, for rates.
    last: Stats,
}

impl Page {
    fn print(&mut self, line: Line) -> io::Result<()> {
        match (self.style, line) {
            (Style::Json, Line::Event(event)) => self.print_json(&event),
            (Style::Json, Line::Summary(stats)) => json_line("summary", &self.summary(&stats)),
            (Style::Text { is_live }, Line::Event(event)) => self.print_text(is_live, event),
            (Style::Text { is_live }, Line::Summary(stats)) => {
                clear(is_live)?;
                say(format_args!("{}", closing_sentence(&stats, self.lost.load(Relaxed))))
            }
        }
    }

    fn print_json(&self, event: &Event) -> io::Result<()> {
        match event {
            Event::Listening(listening) => json_line("listening", &self.listening(listening)),
            Event::Stats(stats) => json_line("stats", &StatsFields::of(stats)),
            Event::Closed { peer, reason, totals } => json_line(
                "closed",
                &ClosedFields {
                    peer: *peer,
                    reason: reason.name(),
                    detail: (!reason.is_normal()).then(|| reason.to_string()),
                    totals: totals.into(),
                },
            ),
            Event::AcceptPaused { error } => {
                json_line("accept_paused", &AcceptPausedFields { error: error.to_string() })
            }
        }
    }

    fn print_text(&mut self, is_live: bool, event: Event) -> io::Result<()> {
        match event {
            Event::Listening(listening) => self.log(is_live, &self.greeting(&listening)),
            Event::Stats(stats) => {
                let line = self.live_line(&stats);
                self.last = stats;
                if is_live { redraw(&line) } else { self.log(is_live, &line) }
            }
            Event::Closed { reason: Reason::Eof, .. } => Ok(()),
            Event::Closed { peer, reason, totals } => {
                let (received, sent) = (Bytes(totals.received), Bytes(totals.sent));
                self.log(is_live, &format!("{peer} closed ({received} in, {sent} out): {reason}"))
            }
            Event::AcceptPaused { error } => {
                self.log(is_live, &format!("no more connections for now, trying again: {error}"))
            }
        }
    }

    fn log(&self, is_live: bool, text: &str) -> io::Result<()> {
        clear(is_live)?;
        writeln!(io::stderr().lock(), "{text}")
    }

    fn greeting(&self, listening: &Listening) -> String {
        let Config { framing, policy, io, memory_limit, .. } = &self.config;
        let mut text = format!("listening on {}: {framing}, backpressure {policy}", listening.addr);
        if let Some(limit) = policy.limit() {
            text += &format!(" (queue limit {})", Bytes(limit as u64));
        }
        text += &format!(", io {io}, memory limit {}", Bytes(*memory_limit));
        let buffers = [
            ("send", self.config.send_buffer, listening.send_buffer),
            ("receive", self.config.receive_buffer, listening.receive_buffer),
        ];
        for (name, asked, given) in buffers {
            if let (Some(asked), Some(given)) = (asked, given) {
                let (asked, given) = (Bytes(asked as u64), Bytes(given as u64));
                text += &format!("\n{name} buffer: asked for {asked}, the kernel gave {given}");
            }
        }
        match self.config.write_timeout {
            Some(timeout) => {
                text += &format!(
                    "\na peer that takes no byte for {} is disconnected",
                    humantime::format_duration(timeout)
                );
            }
            None => {
                text += "\nno write timeout is set: a peer that reads nothing stays (see --write-timeout)"
            }
        }
        text
    }

    fn live_line(&self, stats: &Stats) -> String {
        let seconds = (stats.uptime - self.last.uptime).as_secs_f64().max(1e-3);
        let rate = |now: u64, before: u64| Rate(now.saturating_sub(before) as f64 / seconds);
        let mut line = format!(
            "{} connections   in {} ({})   out {} ({})   queued {}",
            stats.connections,
            Bytes(stats.totals.received),
            rate(stats.totals.received, self.last.totals.received),
            Bytes(stats.totals.sent),
            rate(stats.totals.sent, self.last.totals.sent),
            Bytes(stats.held),
        );
        if matches!(self.config.policy, Policy::Drop { .. }) {
            line += &format!("   dropped {} frames", stats.totals.dropped_frames);
        }
        if let Some(memory) = anonymous_memory() {
            line += &format!("   memory {}", Bytes(memory));
        }
        if let Some(memory) = kernel_tcp_memory() {
            line += &format!("   kernel {}", Bytes(memory));
        }
        line
    }

    fn listening(&self, listening: &Listening) -> ListeningFields {
        let resume_at = match self.config.policy {
            Policy::Watermark { resume_at, .. } => Some(resume_at),
            _ => None,
        };
        ListeningFields {
            addr: listening.addr,
            pid: std::process::id(),
            backpressure: self.config.policy.name(),
            framing: self.config.framing.name(),
            io: self.config.io.name(),
            max_frame: self.config.max_frame,
            queue_limit: self.config.policy.limit(),
            resume_at,
            memory_limit: self.config.memory_limit,
            max_connections: self.config.max_connections,
            idle_timeout: self.config.idle_timeout.map(|time| time.as_secs_f64()),
            write_timeout: self.config.write_timeout.map(|time| time.as_secs_f64()),
            send_buffer: listening.send_buffer,
            receive_buffer: listening.receive_buffer,
        }
    }

    fn summary(&self, stats: &Stats) -> SummaryFields {
        SummaryFields {
            schema_version: 1,
            seconds: stats.uptime.as_secs_f64(),
            accepted: stats.accepted,
            totals: (&stats.totals).into(),
            lost_events: self.lost.load(Relaxed),
        }
    }
}

fn closing_sentence(stats: &Stats, lost: u64) -> String {
    let mut text = format!(
        "served {} connections: {} in, {} out",
        stats.accepted,
        Bytes(stats.totals.received),
        Bytes(stats.totals.sent)
    );
    if stats.totals.dropped_frames > 0 {
        text += &format!(", {} frames dropped", stats.totals.dropped_frames);
    }
    if lost > 0 {
        text += &format!(" ({lost} events were not printed, since nobody read them in time)");
    }
    text
}

/// Draws over the line before; cut to the terminal's width, since a wrapped line could not be drawn over.
fn redraw(line: &str) -> io::Result<()> {
    let (columns, _) = terminal_size();
    let cut: String = line.chars().take(columns.saturating_sub(1)).collect();
    let mut stderr = io::stderr().lock();
    write!(stderr, "\r\x1b[2K{cut}")?;
    stderr.flush()
}

fn clear(is_live: bool) -> io::Result<()> {
    if is_live { write!(io::stderr().lock(), "\r\x1b[2K") } else { Ok(()) }
}

#[derive(Serialize)]
struct ListeningFields {
    addr: SocketAddr,
    pid: u32,
    backpressure: &'static str,
    framing: &'static str,
    io: &'static str,
    max_frame: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_at: Option<usize>,
    memory_limit: u64,
    max_connections: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    write_timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_buffer: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receive_buffer: Option<usize>,
}

#[derive(Serialize)]
struct StatsFields {
    t: f64,
    connections: usize,
    accepted: u64,
    #[serde(flatten)]
    totals: TotalsFields,
    queued: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_memory: Option<u64>,
}

impl StatsFields {
    fn of(stats: &Stats) -> StatsFields {
        StatsFields {
            t: stats.uptime.as_secs_f64(),
            connections: stats.connections,
            accepted: stats.accepted,
            totals: (&stats.totals).into(),
            queued: stats.held,
            memory: anonymous_memory(),
            kernel_memory: kernel_tcp_memory(),
        }
    }
}

#[derive(Serialize)]
struct ClosedFields {
    peer: SocketAddr,
    reason: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(flatten)]
    totals: TotalsFields,
}

#[derive(Serialize)]
struct AcceptPausedFields {
    error: String,
}

#[derive(Serialize)]
struct SummaryFields {
    schema_version: u32,
    seconds: f64,
    accepted: u64,
    #[serde(flatten)]
    totals: TotalsFields,
    lost_events: u64,
}

#[derive(Serialize)]
struct TotalsFields {
    received: u64,
    sent: u64,
    dropped_frames: u64,
}

impl From<&Totals> for TotalsFields {
    fn from(totals: &Totals) -> TotalsFields {
        let Totals { received, sent, dropped_frames } = *totals;
        TotalsFields { received, sent, dropped_frames }
    }
}

/// Events kept while nobody reads: a burst of closings fits, and they are a few hundred bytes each.
const KEPT: usize = 1024;

/// How long the end waits for a reader that is slow, in all and in steps.
const LAST_WAIT: Duration = Duration::from_secs(1);
const LAST_TRIES: u32 = 50;
