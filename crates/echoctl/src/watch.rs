//! `echoctl watch`: the queues of a live server, without a byte sent.

mod history;
mod rows;
mod screen;
mod target;

use std::time::{Duration, Instant};

use echoctl_lab::kit::{count, wrap};
use echoctl_observe::{ConnectionTracker, Observation, ProcessTree};
use echoctl_record::{Bytes, Sample, WatchSummary};
use echoctl_server::raise_descriptor_limit;
use serde::Serialize;

use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt;
use crate::output::{
    ignore_broken_pipe, is_live, json_line, note, offer_json, offer_line, print, terminal_size,
};
use crate::recording::{RecordArgs, Recorder};
use crate::values;
use crate::view::screen::Screen;
use history::History;
use rows::Row;
use screen::WatchScreen;
use target::Target;

/// Watch the queues, windows and memory of a live server and its connections, without sending a byte
///
/// Any server of this host, in any language, while it does its work: which connections hold bytes, who does not read, and
/// what that costs in the server's memory and in the kernel's. The client's queues are shown where the client is on this
/// host too. Of more than 10,000 connections, each sample reads the new ones and 10,000 of the others, in turn. Needs Linux;
/// the memory of another user's server needs root.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Watch this port, process or address; a number is a port if somebody listens there, else a pid
    #[arg(value_name = "PORT|PID|ADDR", required_unless_present = "pid")]
    target: Option<String>,

    /// Watch the memory of this process; without a target, all addresses where it listens
    #[arg(long, value_name = "PID", value_parser = values::number::<u32>(values::PIDS))]
    pid: Option<u32>,

    /// Stop after so long [default: Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    for_: Option<Duration>,

    /// Print a line, or a JSON sample, so often
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = values::positive_duration)]
    every: Duration,

    /// Name so many connections in each JSON sample, those that hold most first
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = values::number::<u32>(0..=MOST_TOP))]
    top: u32,

    #[command(flatten)]
    recording: RecordArgs,

    /// Print lines, also on a terminal
    #[arg(long)]
    plain: bool,

    /// Print samples and a summary as JSON, one object a line
    #[arg(long, conflicts_with = "plain")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  echoctl watch 6379                            a Redis on its usual port
  echoctl watch 127.0.0.1:8080 --for 30s        half a minute of one address
  echoctl watch --pid 4711 --json               all ports of a process, for a program to read
  echoctl watch 8080 --record run.json          keep it for echoctl report and compare";

pub(crate) fn run(args: Args) -> Outcome {
    // Three files stay open for each process of the server. Where the limit cannot be raised, fewer processes are seen.
    let _ = raise_descriptor_limit();
    let target = Target::find(args.target.as_deref(), args.pid)?;
    let tree = match args.pid {
        Some(pid) => Some(ProcessTree::new([pid])?),
        // A server that ends at this moment is still worth its connections.
        None => Some(&target.pids)
            .filter(|pids| !pids.is_empty())
            .and_then(|pids| ProcessTree::new(pids.iter().copied()).ok()),
    };
    let tracker = ConnectionTracker::new(target.addrs.clone(), tree)
        .map_err(|error| Failure::new(Exit::Inconclusive, anyhow::Error::from(error)))?;
    let recorder = Recorder::new(&args.recording, target.addresses(), echoctl_observe::machine())?;
    // Before the view hides the cursor, which a signal is to show again.
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
        ends: args.for_,
        tracker,
        screen: WatchScreen::new(target.title()),
        show,
        peaks: Peaks::default(),
        history: History::default(),
        recorder,
    }
    .run()
}

/// A watch under way.
struct Watch {
    every: Duration,
    ends: Option<Duration>,
    tracker: ConnectionTracker,
    screen: WatchScreen,
    show: View,
    peaks: Peaks,
    history: History,
    recorder: Recorder,
}

/// How it is shown.
enum View {
    Json { top: usize },
    Lines,
    Live(Screen),
}

impl Watch {
    /// Looks until the time is over, the server has ended, or the user has seen enough.
    fn run(mut self) -> Outcome {
        let began = self.tracker.sampler().began();
        let (mut look, mut list, mut line) = (began, began, began);
        loop {
            let now = Instant::now();
            if now >= list {
                self.tracker.refresh()?;
                list = now + LIST_EVERY;
            }
            let mut observation = self.tracker.sample();
            let kept = self.history.add(&mut observation.sample, self.tracker.sampler().connections());
            self.recorder.add(kept);
            self.peaks.add(&observation);
            let rows = Row::all(&self.tracker);
            self.screen.add(&observation, &rows);
            let is_due = now >= line;
            if is_due {
                line = after(line, self.every).max(now);
            }
            if let Err(error) = self.show(&observation, &rows, is_due) {
                // The reader has gone: the rest is put in order as ever, and says the same.
                self.finish(&observation, Exit::Done)?;
                return Err(error.into());
            }

            let is_over = self.ends.is_some_and(|ends| now.duration_since(began) >= ends);
            if is_over || observation.server_ended.is_some() {
                return self.finish(&observation, Exit::Done);
            }
            look = (look + LOOK_EVERY.min(self.every)).max(now);
            let next = self.ends.map_or(look, |ends| look.min(after(began, ends)));
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
            // The screen's last screen stays where it is, and the cursor comes back.
            self.show = View::Lines;
            tell(&watched)
        };
        // What was recorded is kept also where nobody reads the result.
        let kept = self.recorder.finish(|run| run.watch = Some(watched));
        ignore_broken_pipe(printed)?;
        kept?;
        Ok(exit)
    }
}

/// Says what was seen, in a sentence.
fn tell(watched: &WatchSummary) -> std::io::Result<()> {
    if let Some(pid) = watched.server_exited {
        print(format_args!("The server (pid {pid}) has ended."))?;
    }
    let memory =
        watched.server_memory_growth.map_or(String::new(), |bytes| format!(", memory up {}", Bytes(bytes)));
    let came = count(watched.connections_seen, "connection");
    let (most, held) = (watched.max_connections, Bytes(watched.max_queued));
    let text = format!("{came} seen, {most} at once; their queues held at most {held}{memory}.");
    wrap(&text, terminal_size().0).into_iter().try_for_each(print)
}

/// The most of everything that was seen.
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
        self.held = self.held.max(rows::held(sample));
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

/// The first event.
#[derive(Serialize)]
struct WatchingEvent<'a> {
    addr: &'a [std::net::SocketAddr],
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
}

/// A sample, and the connections that hold most.
#[derive(Serialize)]
struct SampleEvent<'a> {
    #[serde(flatten)]
    sample: &'a Sample,
    top: &'a [Row],
}

/// A time so much later, or, where clocks do not reach so far, one that no watch lives to see.
fn after(time: Instant, duration: Duration) -> Instant {
    time.checked_add(duration).unwrap_or(time + AN_AGE)
}

/// Connections in a JSON sample: more than a line that programs read should hold.
const MOST_TOP: u64 = 100_000;

/// A hundred years.
const AN_AGE: Duration = Duration::from_secs(100 * 365 * 86_400);

/// How often the known connections are looked up: often enough for a screen that moves.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often all sockets of the host are asked for new connections.
const LIST_EVERY: Duration = Duration::from_secs(1);
