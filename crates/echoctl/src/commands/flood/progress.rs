//! Shows a run in progress: the path on a terminal, one line per second elsewhere, or each sample as JSON.

use std::io;
use std::time::Duration;

use echoctl_client::{Config, Rate, Reading, Totals};
use echoctl_observe::{Observation, Occupancy, PathState};
use echoctl_record::{Bytes, Queue, Queues, Sample, Seconds};
use echoctl_report::path::{Context, Fill, Kernels, PathView, does_not_hold};
use echoctl_verdict::HELD_BACK_SECONDS;

use super::args::Args;
use crate::output::{is_live, offer_json, offer_note, terminal_size};
use crate::terminal::screen::Screen;

/// One of three forms of output.
pub(super) enum ProgressView {
    /// Each regular sample as one line of JSON on stdout.
    Json,
    /// One line per second on stderr.
    Lines { next: f64 },
    /// The path on stderr, redrawn in place.
    Live { screen: Screen, view: PathView, next: f64, title: String, shown: Option<Box<Context>> },
}

/// The newest sample, and what is shown with it.
pub(super) struct Update<'a> {
    pub(super) look: &'a Observation,
    /// Whether the sample was due by time. The others, taken because many bytes had moved, are not printed.
    pub(super) is_regular: bool,
    pub(super) totals: &'a Totals,
    /// Name and pid of the server, or why they are unknown.
    pub(super) server: &'a str,
    /// The first sample.
    pub(super) first: Sample,
    /// How long no connection could write.
    pub(super) held_back: Option<Duration>,
    /// Whether the server has closed none of the connections.
    pub(super) is_alive: bool,
    /// Whether all connections have sent everything.
    pub(super) has_sent_all: bool,
    /// The growth of the server's memory at which the run stops.
    pub(super) growth_limit: u64,
    /// Whether the client reads at a rate below that of the producer.
    pub(super) is_slow_reader: bool,
    /// The most memory that the server had.
    pub(super) most_memory: Option<u64>,
}

impl ProgressView {
    /// The form for these options and this terminal.
    pub(super) fn new(args: &Args, config: &Config) -> ProgressView {
        if args.json {
            ProgressView::Json
        } else if is_live() && !args.plain {
            let title = format!("flood to {}: {}", args.server.addr, what(config));
            ProgressView::Live {
                screen: Screen::new(),
                view: PathView::default(),
                next: 0.0,
                title,
                shown: None,
            }
        } else {
            ProgressView::Lines { next: 0.0 }
        }
    }

    /// Shows one update if it is due.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub(super) fn show(&mut self, update: &Update) -> io::Result<()> {
        let sample = &update.look.sample;
        match self {
            ProgressView::Json if update.is_regular => offer_json("sample", sample),
            ProgressView::Json => Ok(()),
            // The queues of a closed connection are gone, and its figures would look like data.
            ProgressView::Lines { .. } if !update.is_alive => Ok(()),
            ProgressView::Lines { next } if sample.t < *next => Ok(()),
            ProgressView::Lines { next } => {
                *next = sample.t.floor() + 1.0;
                offer_note(line(update));
                Ok(())
            }
            ProgressView::Live { screen, view, next, title, shown } => {
                let is_over = update.totals.open == 0;
                // The last frame shows the pending bytes, and not the empty queues of a closed connection.
                if (is_over && sample.produced > sample.consumed) || !update.is_alive {
                    let Some(mut left) = shown.take() else { return Ok(()) };
                    if update.is_alive {
                        // The same instant as in the table below it.
                        view.add(*sample);
                    }
                    left.is_last = true;
                    if left.is_blocked && !left.is_slow_reader {
                        // The same figures as in the result below it. A slow reader holds back in many short waits.
                        left.held_back = shown_wait(Some(update.totals.longest_stall));
                    }
                    left.most_memory = update.most_memory;
                    screen.draw_last(view.text(&left, terminal_size()));
                    return Ok(());
                }
                view.add(*sample);
                if sample.t < *next && !is_over {
                    return Ok(());
                }
                *next = sample.t + REDRAW_SECONDS;
                let mut context = context(update, title);
                context.is_last = is_over;
                match is_over {
                    true => screen.draw_last(view.text(&context, terminal_size())),
                    false => screen.draw(view.text(&context, terminal_size()))?,
                }
                *shown = Some(Box::new(context));
                Ok(())
            }
        }
    }
}

/// One line for logs and pipes, of at most 80 columns. What the server has read and not written back is `in server` or, where its
/// memory does not hold it, `unwritten`.
fn line(update: &Update) -> String {
    let now = &update.look.sample;
    let shown = |bytes: Option<u64>| bytes.map_or("?".to_owned(), |bytes| Bytes(bytes).to_string());
    let held_back = shown_wait(update.held_back);
    let held_back = held_back.map(|time| format!("held back {}", Seconds(time)));
    let growth = now.server_memory.zip(update.first.server_memory);
    let growth = growth.map(|(now, first)| now.saturating_sub(first));
    let inside = if does_not_hold(now, growth) { "unwritten" } else { "in server" };
    let text = format!(
        "{:3.0} s  sent {:<7} read {:<7} {inside} {:<7} mem +{:<7} {}",
        now.t,
        shown(Some(now.produced)),
        shown(Some(now.consumed)),
        shown(Queues::of(now)[Queue::Inside]),
        shown(growth),
        held_back.unwrap_or_default(),
    );
    text.trim_end().to_owned()
}

fn context(update: &Update, title: &str) -> Context {
    Context {
        title: title.to_owned(),
        server: update.server.to_owned(),
        kernels: kernels(&update.look.path),
        is_blocked: update.held_back.is_some(),
        held_back: shown_wait(update.held_back),
        base_memory: update.first.server_memory,
        memory_hint: ", try --pid",
        available: echoctl_observe::available_memory(),
        most_memory: None,
        growth_limit: Some(update.growth_limit),
        is_slow_reader: update.is_slow_reader,
        has_sent_all: update.has_sent_all,
        is_last: false,
    }
}

fn kernels(path: &PathState) -> Kernels {
    let fill = |queue: Occupancy| match queue.fraction() {
        _ if queue.is_full() => Fill::Full,
        part => part.map_or(Fill::Hidden, Fill::Part),
    };
    Kernels {
        client_send: fill(path.client_send),
        server_receive: fill(path.server_receive),
        server_send: fill(path.server_send),
        client_receive: fill(path.client_receive),
        window: path.window,
        window_zero_for: path.window_zero_for,
        congestion_window: path.congestion_window,
    }
}

/// A wait that is worth a remark, in seconds.
fn shown_wait(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64()).filter(|&time| time >= HELD_BACK_SECONDS)
}

/// The load and the reader in a few words.
fn what(config: &Config) -> String {
    let rate = match config.rate {
        Rate::Max => "full speed".to_owned(),
        Rate::Limited(rate) => format!("{}/s", Bytes(rate)),
    };
    let reads = match config.reading {
        Reading::All => "reads all".to_owned(),
        Reading::Nothing if config.drain_at_end => "reads after sending".to_owned(),
        Reading::Nothing => "never reads".to_owned(),
        Reading::AtRate(rate) => format!("reads {}/s", Bytes(rate)),
        Reading::For(time) => format!("reads for {}", Seconds(time.as_secs_f64())),
        Reading::Pause { .. } => "reads, stops, reads".to_owned(),
    };
    match config.connections {
        1 => format!("{rate}, {reads}"),
        many => format!("{many} connections, {rate}, {reads}"),
    }
}

/// Seconds between two frames: figures that change faster cannot be read.
const REDRAW_SECONDS: f64 = 0.2;
