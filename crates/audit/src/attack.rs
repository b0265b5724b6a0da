//! The attack: a client that sends and does not read, and what the server does then.
//!
//! ```text
//! prepare ── connect, setup ── bystander begins ── stimulus, nobody reads ── everything is read ── verdict
//!                                                   └ a point of evidence 20 times a second; ends when the rule
//!                                                     says that it is enough, or time is up ┘
//! ```
//!
//! One thread drives all connections, none of which blocks. It decides nothing itself: it asks the rule
//! ([`Evidence::is_enough`]), which is a pure function over what was recorded.

mod bystander;
mod feed;
mod link;
mod read_out;
mod upstream;
mod watch;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_observe::listener;
use echoctl_record::{Ended, Ending, Evidence, Judgement, Point, ReadOut, Sample};

pub use bystander::Served;

use crate::Error;
use crate::script::{Script, Sent};
use crate::sys::{self, Interest};
use bystander::Bystander;
use feed::{Feed, Pace, WRITE};
use link::Link;
use read_out::{Extent, read_out};
use watch::Watch;

/// What to attack, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the server listens.
    pub addr: SocketAddr,
    /// What is done to it.
    pub script: Script,
    /// Victims, each with a connection of its own.
    pub connections: u32,
    /// Input that is enough to call a server unbounded that took it all, in bytes.
    pub budget: u64,
    /// Bytes a second, of all connections together.
    pub rate: u64,
    /// The longest that the attack takes.
    pub patience: Duration,
    /// The server's processes; empty: found by who listens.
    pub pids: Vec<u32>,
    /// Whether the server was started just now, so that what it needs may still be starting: a relay hangs up as long as
    /// there is nothing behind it.
    pub is_fresh: bool,
}

impl Plan {
    /// The plan of `echoctl audit` without options.
    pub fn new(addr: SocketAddr, script: Script) -> Plan {
        Plan {
            addr,
            script,
            connections: 1,
            budget: DEFAULT_BUDGET,
            rate: DEFAULT_RATE,
            patience: DEFAULT_PATIENCE,
            pids: Vec::new(),
            is_fresh: false,
        }
    }

    /// Attacks. `watched` is given each sample as it is taken.
    ///
    /// # Errors
    /// When no attack could be made: no connection, a step of the script without its answer, or `stop` was set.
    pub fn attack(&self, stop: &AtomicBool, watched: &mut dyn FnMut(&Sample)) -> Result<Outcome, Error> {
        let began = Instant::now();
        let outcome = loop {
            let outcome = self.attack_once(stop, watched);
            let was_refused = match &outcome {
                Ok(outcome) => outcome.evidence.was_refused(),
                Err(Error::Step { .. } | Error::Connect { .. }) => true,
                Err(_) => false,
            };
            if !(self.is_fresh && was_refused) || began.elapsed() >= WARMING_UP {
                break outcome?;
            }
            std::thread::sleep(Duration::from_millis(200));
        };
        Ok(Outcome { seconds: began.elapsed().as_secs_f64(), ..outcome })
    }

    fn attack_once(&self, stop: &AtomicBool, watched: &mut dyn FnMut(&Sample)) -> Result<Outcome, Error> {
        let listeners: Vec<u32> = listener(self.addr).iter().flat_map(|listener| listener.pids()).collect();
        let mut roots = self.pids.clone();
        roots.extend(listeners.iter().filter(|pid| !self.pids.contains(pid)));
        let mut watch = Watch::new(&roots, &listeners, self.addr.port());
        if !self.script.prepare.is_empty() {
            Link::connect(self.addr)?.converse("prepare", &self.script.prepare)?;
        }
        let mut victims = Vec::new();
        for _ in 0..self.connections {
            let mut link = Link::connect(self.addr)?;
            link.converse("setup", &self.script.setup)?;
            victims.push(link);
        }
        let mut senders = Vec::new();
        if let Some(feeder) = &self.script.feeder {
            let mut link = Link::connect(self.addr)?;
            link.converse("feeder's setup", &feeder.setup)?;
            senders.push(link);
        }
        // After the victims: a server that serves one connection at a time must serve the victim.
        let bystander = Bystander::start(&self.script, self.addr);
        let mut run = Run {
            plan: self,
            stop,
            watched,
            evidence: self.empty_evidence(),
            feeds: Vec::new(),
            victims,
            senders,
            samples: Vec::new(),
        };
        run.feeds = vec![Feed::new(&self.script.stimulus.send); run.senders.len().max(run.victims.len())];
        let ended = run.carry_out(&mut watch);
        let served = bystander.and_then(Bystander::finish);
        let judgement = ended?;
        let Run { evidence, samples, .. } = run;
        Ok(Outcome {
            judgement,
            evidence,
            samples,
            bystander: served,
            seconds: watch.elapsed(),
            sees_memory: watch.sees_memory(),
            server: watch.server_name(),
            pids: roots,
            upstreams: watch.upstreams.names(),
        })
    }

    fn empty_evidence(&self) -> Evidence {
        Evidence {
            repeats: matches!(self.script.stimulus.send, Sent::Repeat(_)),
            echo: self.script.echo,
            unit: self.script.stimulus.unit(),
            budget: self.budget,
            patience: self.patience.as_secs_f64(),
            slack: kernel_slack(),
            memory_limit: memory_limit(),
            is_relay: false,
            hidden_upstream: false,
            points: Vec::new(),
            ending: None,
            read_out: None,
        }
    }
}

/// What an attack showed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The verdict, with its reason.
    pub judgement: Judgement,
    /// What it rests on.
    pub evidence: Evidence,
    /// All samples, those of the reading out too.
    pub samples: Vec<Sample>,
    /// How a healthy client fared, where the script allows one.
    pub bystander: Option<Served>,
    /// The whole audit, in seconds.
    pub seconds: f64,
    /// Whether the server's memory was visible.
    pub sees_memory: bool,
    /// The server's program, where visible.
    pub server: Option<String>,
    /// Its processes.
    pub pids: Vec<u32>,
    /// Servers behind it that were watched too.
    pub upstreams: Vec<String>,
}

/// An attack under way.
struct Run<'a> {
    plan: &'a Plan,
    stop: &'a AtomicBool,
    watched: &'a mut dyn FnMut(&Sample),
    evidence: Evidence,
    feeds: Vec<Feed>,
    victims: Vec<Link>,
    senders: Vec<Link>,
    samples: Vec<Sample>,
}

impl Run<'_> {
    /// Attacks, reads out and judges; once more if the rule says that this would tell more.
    fn carry_out(&mut self, watch: &mut Watch) -> Result<Judgement, Error> {
        watch.look_behind();
        watch.begin();
        self.take_point(watch, false);
        loop {
            self.press(watch)?;
            self.let_read(watch);
            let judgement = self.evidence.judge();
            let is_over = self.evidence.ending.is_some() || watch.elapsed() >= self.evidence.patience;
            if !judgement.more_would_help || is_over {
                return Ok(judgement);
            }
        }
    }

    /// Sends and does not read, until that is enough.
    fn press(&mut self, watch: &mut Watch) -> Result<(), Error> {
        let mut pace = Pace::new(self.plan.rate, Instant::now());
        let (mut sampled, mut sampled_at_bytes) = (Instant::now(), 0);
        let mut allowance = self.evidence.allowance();
        let mut discarded = vec![0; WRITE];
        let interval = if self.victims.len() > MANY { INTERVAL * 4 } else { INTERVAL };
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            for link in &mut self.senders {
                while link.read(&mut discarded) > 0 {}
            }
            let progress = self.send(&mut pace, allowance);
            let produced = self.produced();
            let now = Instant::now();
            if now - sampled >= interval || produced - sampled_at_bytes >= POINT_BYTES {
                (sampled, sampled_at_bytes) = (now, produced);
                watch.look_behind();
                self.take_point(watch, progress == Progress::Blocked);
                self.note_ending(watch);
                if self.evidence.is_enough() {
                    return Ok(());
                }
                let wanted = self.evidence.allowance();
                if wanted > allowance {
                    pace.lift();
                }
                allowance = wanted;
            }
            if progress != Progress::Sent {
                let write = progress == Progress::Blocked;
                let own = if self.senders.is_empty() { &self.victims } else { &self.senders };
                let read = !self.senders.is_empty();
                let waited: Vec<_> =
                    own.iter().map(|link| (link.socket(), Interest { read, write })).collect();
                let until_sample = interval.saturating_sub(sampled.elapsed());
                // Held back by the pace: a moment. Blocked or done: until there is something to do.
                let longest =
                    if progress == Progress::Held { Duration::from_millis(1) } else { until_sample };
                sys::wait(&waited, longest.min(until_sample));
            }
        }
    }

    /// Gives each sender its turn.
    fn send(&mut self, pace: &mut Pace, allowance: u64) -> Progress {
        let mut left = allowance.saturating_sub(self.produced());
        let mut progress = Progress::Done;
        let senders = if self.senders.is_empty() { &mut self.victims } else { &mut self.senders };
        for (link, feed) in senders.iter_mut().zip(&mut self.feeds) {
            let next = feed.next();
            if next.is_empty() || left == 0 {
                continue;
            }
            let allowed = pace.allowed(Instant::now()).min(left).min(WRITE as u64) as usize;
            // A write of a few bytes costs as much as one of many: it waits for its pace to save up some.
            if allowed < next.len().min(SMALLEST) && (allowed as u64) < left {
                progress = progress.max(Progress::Held);
                continue;
            }
            let count = link.write(&next[..next.len().min(allowed)]);
            feed.advance(count);
            pace.spend(count as u64);
            left -= count as u64;
            progress = progress.max(if count > 0 { Progress::Sent } else { Progress::Blocked });
        }
        progress
    }

    fn produced(&self) -> u64 {
        let senders = if self.senders.is_empty() { &self.victims } else { &self.senders };
        senders.iter().map(|link| link.produced).sum()
    }

    fn take_point(&mut self, watch: &mut Watch, blocked: bool) -> Point {
        let point = watch.point(&mut self.senders, &mut self.victims, blocked);
        self.evidence.points.push(point);
        self.evidence.hidden_upstream = watch.upstreams.hidden;
        self.evidence.is_relay = watch.upstreams.hidden || !watch.upstreams.is_empty();
        self.samples.push(point.sample);
        (self.watched)(&point.sample);
        point
    }

    /// Whether the server has hung up, and whether that was its end.
    fn note_ending(&mut self, watch: &Watch) {
        let hung_up = self.victims.iter().all(|link| link.ended.is_some());
        let feeder_lost = !self.senders.is_empty() && self.senders.iter().all(|link| link.ended.is_some());
        if !(hung_up || feeder_lost || watch.has_crashed()) {
            return;
        }
        let t = watch.elapsed();
        // A process that dies closes its sockets first: give it time to be gone.
        let deadline = Instant::now() + DYING;
        while !watch.has_crashed() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let how = self.victims.iter().chain(&self.senders).find_map(|link| link.ended);
        let how = if watch.has_crashed() { Ended::Crashed } else { how.unwrap_or(Ended::Closed) };
        self.evidence.ending = Some(Ending { t, how });
    }

    /// Reads everything that is owed.
    fn let_read(&mut self, watch: &mut Watch) {
        let Some(last) = self.evidence.points.last().copied() else { return };
        let is_echo = self.evidence.echo && self.senders.is_empty();
        let one = (self.victims.len() == 1).then_some(&self.feeds[0]).filter(|_| is_echo);
        let beyond = self.evidence.queue_proof();
        // Where the server's end is not visible, all that comes may have been in the kernels.
        let sees_ends = last.sample.s_written.is_some();
        let in_kernels = if sees_ends { self.evidence.in_kernels() } else { self.evidence.slack };
        let extent = Extent {
            owed: self.evidence.owed_by_echo().filter(|_| is_echo),
            enough: if is_echo { u64::MAX } else { in_kernels.saturating_add(2 * beyond) },
            patience: if self.evidence.repeats { READ_PATIENCE } else { STREAM_PATIENCE },
        };
        // Reading frees a server that is past its brake to take in even more: then it ends at once.
        let most = self.evidence.points.iter().filter_map(|point| point.sample.server_memory).max();
        let brake = most.map(|most| most.max(self.evidence.brake(&last)).saturating_add(MORE_WHILE_READING));
        let (samples, watched) = (&mut self.samples, &mut *self.watched);
        let mut sampled = |victims: &mut [Link], senders: &mut [Link]| {
            let point = watch.point(senders, victims, false);
            samples.push(point.sample);
            watched(&point.sample);
            point.sample.server_memory.zip(brake).is_none_or(|(memory, brake)| memory < brake)
        };
        let new =
            read_out(&mut self.victims, &mut self.senders, in_kernels, one, extent, self.stop, &mut sampled);
        // A second reading adds to the first: what was owed then and is owed now is owed in all.
        let sum = match self.evidence.read_out.take() {
            Some(old) => ReadOut {
                bytes: old.bytes + new.bytes,
                in_kernels: old.in_kernels + new.in_kernels,
                seconds: old.seconds + new.seconds,
                damaged_at: old.damaged_at.or(new.damaged_at),
                said: old.said.or(new.said),
                ..new
            },
            None => new,
        };
        self.evidence.read_out = Some(sum);
    }
}

/// How a round of writing went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// There is nothing (more) to send.
    Done,
    /// The kernel takes nothing.
    Blocked,
    /// The pace holds it back.
    Held,
    /// Something was sent.
    Sent,
}

/// The most that kernels hold between two sockets here: both send queues and receive queues at their largest.
fn kernel_slack() -> u64 {
    let largest = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?;
        text.split_ascii_whitespace().last()?.parse::<u64>().ok()
    };
    largest("tcp_rmem").unwrap_or(6 << 20) + 2 * largest("tcp_wmem").unwrap_or(4 << 20)
}

/// Growth at which an attack must end for the machine's sake: half of what is available.
fn memory_limit() -> u64 {
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    available.map_or(u64::MAX, |kibibytes| kibibytes * 1024 / 2)
}

/// `--bytes`: many times what kernels hold, and no harm to any machine.
pub const DEFAULT_BUDGET: u64 = 256 << 20;

/// `--rate`: the budget in two seconds. Slower than any server can echo, so that what piles up is not for want of speed.
pub const DEFAULT_RATE: u64 = 128 << 20;

/// `--for`: four times as long as a stall is watched.
pub const DEFAULT_PATIENCE: Duration = Duration::from_secs(15);

/// Time in which a server that was just started may hang up without having taken anything.
const WARMING_UP: Duration = Duration::from_secs(3);

/// Between two points.
const INTERVAL: Duration = Duration::from_millis(50);

/// With more connections than this, points are taken a quarter as often: each costs 10 µs a connection.
const MANY: usize = 100;

/// A point at least each so many bytes, or a fast attack would have five of them.
const POINT_BYTES: u64 = 8 << 20;

/// The smallest write while the pace allows more soon.
const SMALLEST: usize = 16 << 10;

/// Memory that a server may gain while it is read out. What the kernels still hold makes it do more work.
const MORE_WHILE_READING: u64 = 256 << 20;

/// Time between the last sign of a connection and the end of its process.
const DYING: Duration = Duration::from_millis(150);

/// The longest that reading out takes when it must end, …
const READ_PATIENCE: Duration = Duration::from_secs(4);

/// … and when the answer may have no end.
const STREAM_PATIENCE: Duration = Duration::from_millis(1500);
