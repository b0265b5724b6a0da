//! Shows a run in progress: the path on a terminal, one line per second elsewhere, or each sample as JSON.

use std::io;
use std::time::Duration;

use echoctl_client::{Config, Rate, Reading};
use echoctl_observe::{Due, Occupancy, PathState};
use echoctl_record::{Bytes, Queue, Queues, Sample, Seconds};
use echoctl_report::path::{Context, Fill, Kernels, PathView, Unwritten};
use echoctl_trial::Moment;
use echoctl_verdict::HELD_BACK_SECONDS;
use echoctl_verdict::unwritten::does_not_hold;

use super::args::Args;
use crate::output::{Styled, is_live, offer_json, offer_note, terminal_size};
use crate::terminal::quit_key::QuitKey;
use crate::terminal::screen::Screen;

/// One of three forms of output.
pub(super) enum ProgressView {
    /// Each regular sample as one line of JSON on stdout.
    Json,
    /// One line per second on stderr.
    Lines { next: f64 },
    /// The path on stderr, redrawn in place.
    Live(Box<Live>),
}

/// The path on a terminal.
pub(super) struct Live {
    screen: Screen,
    quit: QuitKey,
    view: PathView,
    /// When it is drawn next.
    next: f64,
    /// What was drawn last.
    shown: Option<Context>,
    /// What is the same in every frame.
    given: Context,
}

impl ProgressView {
    /// The form for these options and this terminal.
    pub(super) fn new(args: &Args, config: &Config, server: &str, growth_limit: u64) -> ProgressView {
        if args.json {
            ProgressView::Json
        } else if is_live() {
            ProgressView::Live(Box::new(Live {
                screen: Screen::new(),
                quit: QuitKey::listen(),
                view: PathView::default(),
                next: 0.0,
                shown: None,
                given: Context {
                    title: format!("flood to {}: {}", args.server.addr, what(config)),
                    server: server.to_owned(),
                    memory_hint: ", try --pid",
                    growth_limit: Some(growth_limit),
                    is_slow_reader: is_slow_reader(config),
                    ..Context::default()
                },
            }))
        } else {
            ProgressView::Lines { next: 0.0 }
        }
    }

    /// Shows one moment if it is due.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub(super) fn show(&mut self, moment: &Moment) -> io::Result<()> {
        let sample = &moment.observation.sample;
        match self {
            ProgressView::Json if moment.due == Due::Regular => offer_json("sample", sample),
            // The queues of a closed connection are gone, and its figures would look like data.
            ProgressView::Lines { next } if moment.is_alive && sample.t >= *next => {
                *next = sample.t.floor() + 1.0;
                offer_note(line(moment));
                Ok(())
            }
            ProgressView::Live(live) => live.show(moment),
            ProgressView::Json | ProgressView::Lines { .. } => Ok(()),
        }
    }
}

impl Live {
    fn show(&mut self, moment: &Moment) -> io::Result<()> {
        let sample = moment.observation.sample;
        let is_over = moment.client.totals.open == 0;
        // The last frame shows the pending bytes, and not the empty queues of a closed connection.
        if (is_over && sample.produced > sample.consumed) || !moment.is_alive {
            self.show_last(moment);
            return Ok(());
        }
        self.view.add(sample);
        if sample.t < self.next && !is_over {
            return Ok(());
        }
        self.next = sample.t + REDRAW_SECONDS;
        let context = Context {
            kernels: kernels(&moment.observation.path),
            is_blocked: moment.client.held_back.is_some(),
            held_back: shown_wait(moment.client.held_back),
            base_memory: moment.peaks.base_memory,
            unwritten: unwritten(&sample, moment.peaks.growth_at(&sample)),
            available: echoctl_observe::available_memory(),
            has_sent_all: moment.client.sending == 0,
            is_last: is_over,
            ..self.given.clone()
        };
        let (columns, rows) = terminal_size();
        let has_hint = self.quit.listens() && !is_over;
        let text = self.view.text(&context, (columns, rows - usize::from(has_hint).min(rows)));
        self.shown = Some(context);
        if is_over {
            self.screen.draw_last(text);
            return Ok(());
        }
        let hint = if has_hint { "q quits" } else { "" };
        self.screen.draw(Styled::from(text).then(Styled::weak(hint)))
    }

    /// Draws what was drawn last once more, as the last frame.
    fn show_last(&mut self, moment: &Moment) {
        let Some(mut context) = self.shown.take() else { return };
        if moment.is_alive {
            // The same instant as in the table below it.
            self.view.add(moment.observation.sample);
            context.unwritten = unwritten(&moment.observation.sample, moment.peaks.growth());
        }
        context.is_last = true;
        if context.is_blocked && !context.is_slow_reader {
            // The same figures as in the result below it. A slow reader holds back in many short waits.
            context.held_back = shown_wait(Some(moment.client.totals.longest_stall));
        }
        context.most_memory = moment.peaks.memory();
        self.screen.draw_last(self.view.text(&context, terminal_size()));
    }
}

/// One line for logs and pipes, of at most 80 columns. What the server has read and not written back is `in server` or, where its
/// memory does not hold it, `unwritten`.
fn line(moment: &Moment) -> String {
    let now = &moment.observation.sample;
    let shown = |bytes: Option<u64>| bytes.map_or("?".to_owned(), |bytes| Bytes(bytes).to_string());
    let held_back = shown_wait(moment.client.held_back);
    let growth = moment.peaks.growth_at(now);
    let inside = match unwritten(now, growth) {
        Unwritten::Inside => "in server",
        Unwritten::Missing => "unwritten",
    };
    let text = format!(
        "{:3.0} s  sent {:<7} read {:<7} {inside} {:<7} mem +{:<7} {}",
        now.t,
        shown(Some(now.produced)),
        shown(Some(now.consumed)),
        shown(Queues::of(now)[Queue::Inside]),
        shown(growth),
        held_back.map(|seconds| format!("held back {}", Seconds(seconds))).unwrap_or_default(),
    );
    text.trim_end().to_owned()
}

/// Where the unwritten bytes are, of a server whose memory grew by `growth`.
pub(super) fn unwritten(sample: &Sample, growth: Option<u64>) -> Unwritten {
    if does_not_hold(sample, growth) { Unwritten::Missing } else { Unwritten::Inside }
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
    time.map(|time| time.as_secs_f64()).filter(|&seconds| seconds >= HELD_BACK_SECONDS)
}

/// Whether the client reads at a rate below that of the producer.
fn is_slow_reader(config: &Config) -> bool {
    match (config.reading, config.rate) {
        (Reading::AtRate(read), Rate::Limited(sent)) => read < sent,
        (Reading::AtRate(_), Rate::Max) => true,
        _ => false,
    }
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
