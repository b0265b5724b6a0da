//! `echoctl watch`: queues, windows and memory of a live server, measured without sending to it.

mod history;
mod rows;
mod screen;
mod target;

use std::env;
use std::time::{Duration, Instant};

use echoctl_observe::{ConnectionTracker, Observation, ProcessTree};
use echoctl_record::count;
use echoctl_record::{Bytes, Sample, WatchSummary};
use echoctl_report::wrap;
use echoctl_server::raise_descriptor_limit;
use serde::Serialize;

use crate::address;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::recorder::{RecordArgs, Recorder};
use crate::output::{
    ignore_broken_pipe, is_live, json_line, note, offer_json, offer_line, print, terminal_size,
};
use crate::terminal::interrupt;
use crate::terminal::screen::Screen;
use crate::values;
use history::History;
use rows::Row;
use screen::WatchScreen;
use target::Target;

/// Watch a live server's queues and memory without sending to it
///
/// Works with any server on this host, in any language. Shows which connections buffer bytes, which side they wait for, and how
/// much memory that takes in the server and in the kernel. A client's queues are visible if the client is on this host too. Above
/// 10,000 connections, each sample reads the new ones and 10,000 of the others in turn. Needs Linux. To
/// see the memory of another user's server, give its port and --pid, or run as root.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Port, pid, or address of the server
    ///
    /// A port, :port or host:port at which it listens, or a pid. A number is a port if a server listens there, otherwise a
    /// pid. With neither a target nor --pid, ECHOCTL_ADDR is the target.
    #[arg(value_name = "TARGET", help_heading = "Target")]
    target: Option<String>,

    /// Measure the memory of this process and its children
    ///
    /// Without a target, all addresses at which the process listens are watched.
    #[arg(long, value_name = "PID", value_parser = values::number::<u32>(values::PIDS), help_heading = "Target")]
    pid: Option<u32>,

    /// Stop after this time [default: at Ctrl-C]
    #[arg(short = 't', long = "for", value_name = "TIME", value_parser = values::duration, help_heading = "Limits")]
    duration: Option<Duration>,

    /// Interval between lines or JSON samples
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = values::positive_duration, help_heading = "Output")]
    every: Duration,

    /// In each JSON sample, list the N connections with most bytes buffered
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = values::number::<u32>(0..=MAX_TOP), help_heading = "Output", hide_short_help = true)]
    top: u32,

    #[command(flatten, next_help_heading = "Output")]
    recording: RecordArgs,

    /// Print samples and a summary as JSON, one per line
    #[arg(short = 'J', long, help_heading = "Output")]
    json: bool,

    /// Plain ASCII lines: no live view, no colour
    #[arg(long, help_heading = "Output")]
    plain: bool,
}

const EXAMPLES: &str = "\
Examples:
  echoctl watch 6379                       a Redis server on its usual port
  echoctl watch 127.0.0.1:8080 --for 30s   half a minute of one address
  echoctl watch --pid 4711 --json          all ports of a process, as JSON
  echoctl watch 8080 --record run.json     for echoctl report and compare";

pub(crate) fn run(args: Args) -> Outcome {
    // Each process of the server needs three open files. Where the limit cannot be raised, fewer processes are visible.
    let _ = raise_descriptor_limit();
    let target =
        args.target.or_else(|| if args.pid.is_none() { env::var(address::VARIABLE).ok() } else { None });
    let target = Target::find(target.as_deref(), args.pid)?;
    let tree = match args.pid {
        Some(pid) => Some(ProcessTree::new([pid])?),
        // The connections of a server that exits at this moment are still shown.
        None => Some(&target.pids)
            .filter(|pids| !pids.is_empty())
            .and_then(|pids| ProcessTree::new(pids.iter().copied()).ok()),
    };
    let tracker = ConnectionTracker::new(target.addrs.clone(), tree)
        .map_err(|error| Failure::new(Exit::Inconclusive, anyhow::Error::from(error)))?;
    let recorder = Recorder::new(&args.recording, target.addresses(), echoctl_observe::machine())?;
    // Before the view hides the cursor, which the signal handler shows again.
    interrupt::catch_signals(Duration::ZERO);
    let show = if args.json {
        View::Json { top: args.top as usize }
    } else if is_live() && !args.plain {
        View::Live(Screen::new())
    } else {
        View::Lines
    };
    if args.json {
        json_line("watching", &WatchingEvent { addr: &target.addrs, pid: target.pids.first().copied() })?;
    } else if matches!(show, View::Lines) {
        note(format_args!("watching {}", target.title()));
    }
    Watch {
        every: args.every,
        duration: args.duration,
        tracker,
        screen: WatchScreen::new(target.title()),
        show,
        peaks: Peaks::default(),
        history: History::default(),
        recorder,
    }
    .run()
}

/// A watch in progress.
struct Watch {
    every: Duration,
    duration: Option<Duration>,
    tracker: ConnectionTracker,
    screen: WatchScreen,
    show: View,
    peaks: Peaks,
    history: History,
    recorder: Recorder,
}

/// Form of the output.
enum View {
    Json { top: usize },
    Lines,
    Live(Screen),
}

impl Watch {
    /// Samples until the time is over, the server exits, or a signal arrives.
    fn run(mut self) -> Outcome {
        let began = self.tracker.sampler().start_time();
        let (mut look, mut list, mut line) = (began, began, began);
        loop {
            let now = Instant::now();
            if now >= list {
                self.tracker.refresh()?;
                list = now + LIST_INTERVAL;
            }
            let mut observation = self.tracker.sample();
            let recorded = self.history.add(&mut observation.sample, self.tracker.sampler().connections());
            self.recorder.add(recorded);
            self.peaks.add(&observation);
            let rows = Row::all(&self.tracker);
            self.screen.add(&observation, &rows);
            let is_due = now >= line;
            if is_due {
                line = after(line, self.every).max(now);
            }
            if let Err(error) = self.show(&observation, &rows, is_due) {
                // The reader of our output is gone. The files are written all the same.
                self.finish(&observation, Exit::Done)?;
                return Err(error.into());
            }

            let is_over = self.duration.is_some_and(|duration| now.duration_since(began) >= duration);
            if is_over || observation.server_ended.is_some() {
                return self.finish(&observation, Exit::Done);
            }
            look = (look + SAMPLE_INTERVAL.min(self.every)).max(now);
            let next = self.duration.map_or(look, |duration| look.min(after(began, duration)));
            if interrupt::wait(next.saturating_duration_since(Instant::now())) {
                return self.finish(&observation, Exit::Interrupted);
            }
        }
    }

    fn show(&mut self, observation: &Observation, rows: &[Row], is_due: bool) -> std::io::Result<()> {
        match &mut self.show {
            View::Live(screen) => screen.draw(self.screen.text(observation, rows, &self.tracker)),
            View::Json { top } if is_due => offer_json(
                "sample",
                &SampleEvent { sample: &observation.sample, top: &rows[..rows.len().min(*top)] },
            ),
            View::Lines if is_due => offer_line(self.screen.line(observation)),
            _ => Ok(()),
        }
    }

    fn finish(mut self, last: &Observation, exit: Exit) -> Outcome {
        let watched = WatchSummary {
            connections_seen: self.tracker.connections_seen(),
            server_exited: last.server_ended,
            ..self.peaks.watched(last.sample.t)
        };
        let printed = if let View::Json { .. } = self.show {
            json_line("summary", &watched)
        } else {
            // Leaves the last frame in place, and shows the cursor.
            self.show = View::Lines;
            print_summary(&watched)
        };
        // The files are written even if stdout is closed.
        let written = self.recorder.finish(|run| run.watch = Some(watched));
        ignore_broken_pipe(printed)?;
        written?;
        Ok(exit)
    }
}

/// Prints one sentence about what was seen.
fn print_summary(watched: &WatchSummary) -> std::io::Result<()> {
    if let Some(pid) = watched.server_exited {
        print(format_args!("The server (pid {pid}) exited."))?;
    }
    let memory = watched
        .server_memory_growth
        .map_or(String::new(), |bytes| format!("; the server's memory grew by at most {}", Bytes(bytes)));
    let came = count(watched.connections_seen, "connection");
    let (most, held) = (watched.max_connections, Bytes(watched.max_queued));
    let text = format!("{came} seen, at most {most} at once; kernel queues buffered at most {held}{memory}.");
    wrap(&text, terminal_size().0).into_iter().try_for_each(print)
}

/// Maxima of all samples.
#[derive(Debug, Default)]
struct Peaks {
    connections: u32,
    held: u64,
    kernel_memory: Option<u64>,
    first_memory: Option<u64>,
    memory: Option<u64>,
}

impl Peaks {
    fn add(&mut self, observation: &Observation) {
        let sample = &observation.sample;
        self.connections = self.connections.max(sample.connections);
        self.held = self.held.max(rows::buffered(sample));
        self.kernel_memory = self.kernel_memory.max(sample.kernel_memory);
        self.first_memory = self.first_memory.or(sample.server_memory);
        self.memory = self.memory.max(sample.server_memory);
    }

    fn watched(&self, seconds: f64) -> WatchSummary {
        let growth = self.memory.zip(self.first_memory).map(|(most, first)| most.saturating_sub(first));
        WatchSummary {
            max_connections: self.connections,
            max_queued: self.held,
            server_memory_growth: growth,
            max_kernel_memory: self.kernel_memory,
            ..WatchSummary::new(seconds)
        }
    }
}

/// First event of the JSON output.
#[derive(Serialize)]
struct WatchingEvent<'a> {
    addr: &'a [std::net::SocketAddr],
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
}

/// Sample event of the JSON output, with the connections that buffer most.
#[derive(Serialize)]
struct SampleEvent<'a> {
    #[serde(flatten)]
    sample: &'a Sample,
    top: &'a [Row],
}

/// `time + duration`, or a time beyond the end of any watch if the clock cannot express it.
fn after(time: Instant, duration: Duration) -> Instant {
    time.checked_add(duration).unwrap_or(time + FOREVER)
}

/// Limit of connections in a JSON sample: lines beyond it are too long for most readers.
const MAX_TOP: u64 = 100_000;

/// A hundred years.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Interval between samples of known connections: short enough for a live view.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// Interval between dumps of all sockets of the host, which find new connections.
const LIST_INTERVAL: Duration = Duration::from_secs(1);
