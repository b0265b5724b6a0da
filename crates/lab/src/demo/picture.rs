//! Draws the running demo: large figures above a growing chart, or one line per moment.

use echoctl_observe::machine;
use echoctl_record::{Bytes, Rate, Sample, Seconds, SocketLimits};
use echoctl_report::digits::large;
use echoctl_report::{Chart, Recent};
use echoctl_verdict::HELD_BACK_SECONDS;

use super::{Moment, Phase, Plan, in_kernel, memory_chart, story};

/// The picture of a running demo, for a terminal.
pub struct Picture {
    plan: Plan,
    limits: SocketLimits,
    last: Option<Moment>,
    off: Side,
    on: Side,
}

impl Picture {
    /// A picture without moments.
    pub fn new(plan: Plan) -> Picture {
        let (off, on) = (Side::new("OFF", story::OFF_LINE), Side::new("ON", story::ON_LINE));
        Picture { plan, limits: machine().socket_limits(), last: None, off, on }
    }

    /// Adds a moment.
    pub fn add(&mut self, moment: &Moment) {
        for (side, sample) in [(&mut self.off, moment.off), (&mut self.on, moment.on)] {
            if self.last.is_some_and(|last| last.phase != moment.phase) {
                // Samples before the phase would distort its trend.
                side.recent = Recent::default();
            }
            side.recent.add(sample);
            side.samples.push(sample);
        }
        self.last = Some(*moment);
    }

    /// What the clients are doing, and below it both servers side by side in `columns`; empty before the first moment.
    pub fn text(&self, columns: usize) -> String {
        let Some(moment) = &self.last else { return String::new() };
        let mut text = format!("{}\n\n", headline(&self.plan, moment));
        let width = (columns / 2).saturating_sub(1);
        let [left, right] = [&self.off, &self.on].map(|side| side.lines(moment.phase, &self.limits));
        for (left, right) in left.into_iter().zip(right) {
            text.push_str(&format!(" {left:<width$} {right}\n"));
        }
        text.push('\n');
        text
    }

    /// The memory of both servers so far.
    pub fn chart(&self) -> Chart {
        memory_chart(&self.plan, &self.off.samples, &self.on.samples)
    }
}

/// One server: all of its samples, and those of the last second.
struct Side {
    title: String,
    samples: Vec<Sample>,
    recent: Recent,
}

impl Side {
    fn new(name: &str, line: &str) -> Side {
        Side { title: format!("{name}   {line}"), samples: Vec::new(), recent: Recent::default() }
    }

    /// Its figures, with the growth of its memory in large digits. There is at least one sample.
    fn lines(&self, phase: Phase, limits: &SocketLimits) -> Vec<String> {
        let (first, now) = (&self.samples[0], &self.samples[self.samples.len() - 1]);
        let memory = growth(now, first);
        let trend = match self.recent.trend(|sample| sample.server_memory, memory) {
            trend if trend.starts_with(['+', '-']) => trend,
            _ if phase == Phase::ReadsAgain && now.produced > now.consumed => "draining".to_owned(),
            _ => "steady".to_owned(),
        };
        let held = Some(stalled_for(&self.samples)).filter(|&seconds| seconds >= HELD_BACK_SECONDS);
        let kernel = held.and_then(|_| in_kernel(now, limits));
        let mut lines = vec![self.title.clone()];
        lines.extend(large(&mebibytes(memory)));
        // The unit is on the last line of the figure, where reading ends.
        if let Some(foot) = lines.last_mut() {
            foot.push_str(" MiB");
        }
        lines.extend([
            format!("memory growth, {trend}"),
            format!("written   {}", Bytes(now.produced)),
            format!("read back {}", Bytes(now.consumed)),
            held.map_or(String::new(), |held| format!("client held back for {}", Seconds(held))),
            kernel.map_or(String::new(), |kernel| format!("{kernel} wait in the kernel")),
        ]);
        lines
    }
}

/// The line above the first [`line()`].
pub const LINES: &str = "\nGrowth of each server's memory, and bytes that its client has written:";

/// A moment as one line, for logs and pipes.
pub fn line(moment: &Moment, first: &Moment) -> String {
    let side = |now: &Sample, start: &Sample| {
        let (memory, sent) = (Bytes(growth(now, start)).to_string(), Bytes(now.produced).to_string());
        format!("+{memory:<8} wrote {sent:<8}")
    };
    let (off, on) = (side(&moment.off, &first.off), side(&moment.on, &first.on));
    format!("{:3.0} s  {:13}  OFF {off}  ON {}", moment.t, moment.phase, on.trim_end())
}

/// What the clients are doing, in a sentence of at most 50 columns.
fn headline(plan: &Plan, moment: &Moment) -> String {
    let rate = Rate(plan.rate as f64);
    let what = match moment.phase {
        Phase::Reads => format!("Both clients send {rate} and READ the replies."),
        Phase::Stopped => "Both STOPPED READING and keep trying to send.".to_owned(),
        Phase::ReadsAgain => "Both clients READ AGAIN and send the rest.".to_owned(),
        Phase::Done if [moment.off, moment.on].iter().all(|side| side.consumed == plan.total) => {
            format!("All {} came back to both clients.", Bytes(plan.total))
        }
        Phase::Done => "Done, but not everything came back.".to_owned(),
    };
    format!("{:5.1} s  {what}", moment.t)
}

/// Growth of the server's memory since the start, in bytes.
fn growth(now: &Sample, start: &Sample) -> u64 {
    now.server_memory.unwrap_or(0).saturating_sub(start.server_memory.unwrap_or(0))
}

/// Seconds since the client last sent anything, while replies to it are pending.
fn stalled_for(samples: &[Sample]) -> f64 {
    let now = &samples[samples.len() - 1];
    let waits = now.produced > now.consumed;
    let since = samples.iter().rev().take_while(|sample| sample.produced == now.produced).last();
    since.filter(|_| waits).map_or(0.0, |since| now.t - since.t)
}

/// `bytes` in MiB, with a decimal only where it matters.
fn mebibytes(bytes: u64) -> String {
    let mebibytes = bytes as f64 / (1 << 20) as f64;
    if mebibytes < 9.95 { format!("{mebibytes:.1}") } else { format!("{mebibytes:.0}") }
}
