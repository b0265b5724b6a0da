//! The session: a run, looked at 20 times a second, shown as it goes, and kept for the verdict.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use echoctl_client::{Config, Flood, Link, Outcome, Phase, Rate, Reading, StopHandle, Totals};
use echoctl_observe::{Observation, OwnEnd, Sampler, TcpState, Watched};
use echoctl_record::{Bytes, Machine, Point, Queues, Sample, Seconds};

use super::args::Args;
use super::keep::{Keeper, thin_out};
use super::server::Server;
use crate::exit::Failure;
use crate::output::{is_live, json_line};
use crate::view::path::{Beside, PathView};
use crate::view::screen::Screen;

/// A run under way.
pub(super) struct Session {
    pub(super) config: Config,
    pub(super) target: String,
    pub(super) pids: Vec<u32>,
    pub(super) json: bool,
    pub(super) memory_limit: u64,
    /// The server's name and pid, or why they are not known.
    pub(super) server: String,
    /// What the verdict will rest on: the time in which we sent and did not read freely.
    pub(super) points: Vec<Point>,
    /// The first sample.
    pub(super) first: Option<Sample>,
    /// The sample with most bytes on the way.
    pub(super) fullest: Sample,
    pub(super) last: Sample,
    /// The most that was inside the server, and the most memory that it had.
    pub(super) most_inside: Option<u64>,
    pub(super) most_memory: Option<u64>,
    /// Whether the memory limit ended the run.
    pub(super) over_memory: bool,
    pub(super) server_ended: bool,
    pub(super) closed_by_server: bool,
    /// The most that kernels hold between two sockets here.
    pub(super) slack: Option<u64>,
    pub(super) keeper: Keeper,
    sampler: Sampler,
    links: Vec<Arc<Link>>,
    show: Show,
}

/// How a run is shown while it goes.
enum Show {
    Json,
    Lines { next: f64 },
    Live { screen: Screen, view: PathView, next: f64 },
}

impl Session {
    /// Connected, and about to send.
    pub(super) fn new(
        args: &Args,
        config: &Config,
        server: Server,
        machine: &Machine,
        keeper: Keeper,
        flood: &Flood,
    ) -> Session {
        let show = if args.json {
            Show::Json
        } else if is_live() && !args.plain {
            Show::Live { screen: Screen::new(), view: PathView::default(), next: 0.0 }
        } else {
            Show::Lines { next: 0.0 }
        };
        Session {
            config: config.clone(),
            target: args.addr.clone(),
            pids: server.pids,
            json: args.json,
            memory_limit: args.memory_limit,
            server: server.label,
            points: Vec::new(),
            first: None,
            fullest: Sample::default(),
            last: Sample::default(),
            most_inside: None,
            most_memory: None,
            over_memory: false,
            server_ended: false,
            closed_by_server: false,
            slack: machine.slack,
            keeper,
            sampler: Sampler::new(flood.links().iter().map(watched).collect(), server.tree),
            links: flood.links().to_vec(),
            show,
        }
    }

    /// Samples and shows the run until its outcome comes.
    pub(super) fn watch(
        &mut self,
        outcome: &Receiver<Outcome>,
        stop: &StopHandle,
    ) -> Result<Outcome, Failure> {
        let mut due = Instant::now();
        loop {
            match outcome.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(outcome) => {
                    self.sample(stop)?;
                    return Ok(outcome);
                }
                Err(RecvTimeoutError::Timeout) => self.sample(stop)?,
                Err(RecvTimeoutError::Disconnected) => return Err(anyhow!("the client failed").into()),
            }
            // A reader of our output that is slow makes samples late: then the next comes at once, and none is made up for.
            due = (due + INTERVAL).max(Instant::now());
        }
    }

    /// One sample: kept, shown, and acted upon.
    fn sample(&mut self, stop: &StopHandle) -> io::Result<()> {
        let look = self.sampler.sample();
        let totals = stop.totals();
        self.keep(&look, &totals);
        let grown = self.growth(&look.sample).unwrap_or(0);
        if grown >= self.memory_limit && !self.over_memory {
            self.over_memory = true;
            stop.stop();
        }
        self.server_ended |= look.server_ended.is_some();
        if !self.closed_by_server && self.has_been_closed() {
            self.closed_by_server = true;
            stop.stop();
        }
        self.show(&look, &totals)
    }

    /// How much more memory the server has than at the start.
    pub(super) fn growth(&self, now: &Sample) -> Option<u64> {
        Some(now.server_memory?.saturating_sub(self.first?.server_memory?))
    }

    fn keep(&mut self, look: &Observation, totals: &Totals) {
        let sample = look.sample;
        self.first.get_or_insert(sample);
        self.last = sample;
        self.keeper.add(sample);
        self.most_memory = self.most_memory.max(sample.server_memory);
        self.most_inside = self.most_inside.max(Queues::of(&sample).inside_server);
        let on_the_way = |sample: &Sample| sample.produced.saturating_sub(sample.consumed);
        if on_the_way(&sample) >= on_the_way(&self.fullest) {
            self.fullest = sample;
        }
        if self.is_evidence(sample.t) {
            self.points.push(Point {
                sample,
                blocked: totals.stalled > 0 && totals.stalled == totals.open,
                processor: look.tree.map(|tree| tree.processor_time.as_secs_f64()),
                disk: look.tree.and_then(|tree| tree.disk_written),
            });
            if self.points.len() == MOST_POINTS {
                thin_out(&mut self.points);
            }
        }
    }

    /// Whether what is seen now says how the server treats a client that does not read, or not enough.
    fn is_evidence(&self, t: f64) -> bool {
        let sending = self.links.iter().any(|link| link.phase() == Phase::Sending);
        let starved = match self.config.reading {
            Reading::Nothing | Reading::AtRate(_) => true,
            Reading::For(time) => t >= time.as_secs_f64(),
            Reading::All | Reading::Except { .. } => false,
        };
        sending && starved
    }

    /// Whether the server has ended all connections while they were sending. Its FIN may be stuck behind what we do not read:
    /// then it shows at its end alone, and no read or write of ours would tell.
    fn has_been_closed(&self) -> bool {
        let sending = self.links.iter().all(|link| link.phase() == Phase::Sending);
        let has_sent_fin = |state: TcpState| {
            matches!(state, TcpState::FinWait1 | TcpState::FinWait2 | TcpState::Closing | TcpState::LastAck)
        };
        sending
            && self.sampler.connections().all(|connection| {
                connection.client.is_some_and(|end| end.info.state == TcpState::CloseWait)
                    || connection.server.is_some_and(|end| has_sent_fin(end.info.state))
            })
    }

    fn show(&mut self, look: &Observation, totals: &Totals) -> io::Result<()> {
        let t = look.sample.t;
        match &mut self.show {
            Show::Json => return json_line("sample", &look.sample),
            Show::Lines { next } if t >= *next => *next = t.floor() + 1.0,
            Show::Live { view, next, .. } => {
                view.add(look.sample);
                if t < *next && totals.open > 0 {
                    return Ok(());
                }
                // What was left unread is shown as it was, not as it is when nobody sends any more.
                let is_over = totals.open == 0 && look.sample.produced > look.sample.consumed;
                if is_over {
                    return Ok(());
                }
                *next = t + REDRAW_SECONDS;
            }
            Show::Lines { .. } => return Ok(()),
        }
        let beside = self.beside(look, totals);
        match &mut self.show {
            Show::Live { screen, view, .. } => screen.draw(&view.text(&beside)),
            _ => {
                eprintln!("{}", self.line(&look.sample, totals));
                Ok(())
            }
        }
    }

    /// One line on a moment, for logs and pipes.
    fn line(&self, now: &Sample, totals: &Totals) -> String {
        let queues = Queues::of(now);
        let shown = |bytes: Option<u64>| bytes.map_or("?".to_owned(), |bytes| Bytes(bytes).to_string());
        let held_back = match self.held_back(totals) {
            Some(time) if time >= Duration::from_millis(500) => {
                format!("   held back {}", Seconds(time.as_secs_f64()))
            }
            _ => String::new(),
        };
        format!(
            "{:4.0} s   sent {:<9} read back {:<9} inside the server {:<9} server memory +{:<9}{held_back}",
            now.t,
            shown(Some(now.produced)),
            shown(Some(now.consumed)),
            shown(queues.inside_server),
            shown(self.growth(now)),
        )
        .trim_end()
        .to_owned()
    }

    fn beside(&self, look: &Observation, totals: &Totals) -> Beside {
        Beside {
            title: format!("flood to {}: {}", self.target, self.what()),
            server: self.server.clone(),
            path: look.path,
            held_back: self.held_back(totals).map(|time| time.as_secs_f64()),
            base_memory: self.first.and_then(|first| first.server_memory),
            available: echoctl_observe::memory_available(),
        }
    }

    /// For how long no connection could write.
    fn held_back(&self, totals: &Totals) -> Option<Duration> {
        if totals.open == 0 || totals.stalled < totals.open {
            return None;
        }
        self.links.iter().filter_map(|link| link.stalled()).min()
    }

    /// What this run does, in a few words.
    fn what(&self) -> String {
        let config = &self.config;
        let rate = match config.rate {
            Rate::Max => "full speed".to_owned(),
            Rate::Limited(rate) => format!("{}/s", Bytes(rate)),
        };
        let reads = match config.reading {
            Reading::All => "reads all".to_owned(),
            Reading::Nothing => "reads nothing".to_owned(),
            Reading::AtRate(rate) => format!("reads {}/s", Bytes(rate)),
            Reading::For(time) => format!("reads for {}", Seconds(time.as_secs_f64())),
            Reading::Except { .. } => "reads, stops, reads".to_owned(),
        };
        match config.connections {
            1 => format!("{rate}, {reads}"),
            many => format!("{many} connections, {rate}, {reads}"),
        }
    }
}

/// A connection as the sampler wants it.
fn watched(link: &Arc<Link>) -> Watched {
    let counted = Arc::clone(link);
    let counters = Box::new(move || {
        let consumed = counted.consumed();
        (counted.produced(), consumed)
    });
    let own = OwnEnd { socket: Arc::clone(link) as _, counters };
    Watched { local: link.local_addr(), peer: link.peer_addr(), own: Some(own) }
}

/// Between two samples.
const INTERVAL: Duration = Duration::from_millis(50);

/// Seconds between two pictures: figures that change faster cannot be read.
const REDRAW_SECONDS: f64 = 0.2;

/// Points kept: 5 minutes at 20 a second, and no more memory however long the run.
const MOST_POINTS: usize = 6000;
