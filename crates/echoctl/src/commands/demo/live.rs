//! Shows the running demo: large figures and a growing chart on a terminal, one line per second elsewhere.

use std::io;

use echoctl_lab::demo::{self, Moment, Phase, Plan, in_kernel, story};
use echoctl_observe::machine;
use echoctl_record::{Bytes, Rate, Sample, Seconds, SocketLimits};
use echoctl_report::digits::large;
use echoctl_verdict::HELD_BACK_SECONDS;

use crate::output;
use crate::output::Styled;
use crate::terminal::screen::Screen;

/// The screen of a running demo.
pub(super) struct Live {
    plan: Plan,
    limits: SocketLimits,
    screen: Screen,
    off: Vec<Sample>,
    on: Vec<Sample>,
}

impl Live {
    pub(super) fn new(plan: Plan) -> Live {
        let limits = machine().socket_limits();
        Live { plan, limits, screen: Screen::new(), off: Vec::new(), on: Vec::new() }
    }

    /// Adds one moment and draws all of them.
    pub(super) fn show(&mut self, moment: &Moment) -> io::Result<()> {
        self.off.push(moment.off);
        self.on.push(moment.on);
        let (columns, rows) = output::terminal_size();
        let since = self.plan.began(moment.phase);
        let is_draining = moment.phase == Phase::ReadsAgain;
        let left = Figure::of("OFF", story::OFF_LINE, &self.off, since, is_draining, &self.limits);
        let right = Figure::of("ON", story::ON_LINE, &self.on, since, is_draining, &self.limits);
        let mut text = format!("{}\n\n", headline(&self.plan, moment));
        let half = columns.min(WIDEST) / 2;
        for (left, right) in left.lines().into_iter().zip(right.lines()) {
            text.push_str(&format!(" {left:<width$} {right}\n", width = half.saturating_sub(1)));
        }
        text.push('\n');
        let used = text.lines().count();
        let height = rows.saturating_sub(used + 1).clamp(6, 20);
        let chart = demo::memory_chart(&self.plan, &self.off, &self.on);
        let chart = Styled::chart(&chart, columns.min(WIDEST), height, output::live_colour());
        self.screen.draw(Styled::from(text).then(chart))
    }
}

/// The line above the first [`line()`].
pub(super) const LINES: &str = "\nGrowth of each server's memory, and bytes that its client has written:";

/// A moment as one line, for logs and pipes.
pub(super) fn line(moment: &Moment, first: &Moment) -> String {
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

/// The figures of one server.
struct Figure {
    title: String,
    memory: u64,
    trend: String,
    sent: String,
    received: String,
    held: String,
    kernel: String,
}

impl Figure {
    /// The figures of a side after `samples`, in a phase that began at `since`.
    fn of(
        name: &str,
        line: &str,
        samples: &[Sample],
        since: f64,
        is_draining: bool,
        limits: &SocketLimits,
    ) -> Figure {
        let (first, now) = (&samples[0], &samples[samples.len() - 1]);
        // One second is long enough for a steady trend. Samples before the phase would distort it.
        let is_recent = |sample: &&Sample| now.t - sample.t <= 1.0 && sample.t >= since;
        let before = samples.iter().find(is_recent).unwrap_or(now);
        let seconds = (now.t - before.t).max(0.001);
        let change = (growth(now, first) as f64 - growth(before, first) as f64) / seconds;
        let trend = match change {
            change if change > NOTABLE => format!("memory growth, +{}", Rate(change)),
            change if change < -NOTABLE => format!("memory growth, -{}", Rate(-change)),
            _ if is_draining && now.produced > now.consumed => "memory growth, draining".to_owned(),
            _ => "memory growth, flat".to_owned(),
        };
        let held = stalled_for(samples);
        Figure {
            title: format!("{name}   {line}"),
            memory: growth(now, first),
            trend,
            sent: format!("written   {}", Bytes(now.produced)),
            received: format!("read back {}", Bytes(now.consumed)),
            held: match held >= HELD_BACK_SECONDS {
                true => format!("client held back for {}", Seconds(held)),
                false => String::new(),
            },
            kernel: match in_kernel(now, limits).filter(|_| held >= HELD_BACK_SECONDS) {
                Some(kernel) => format!("{kernel} wait in the kernel"),
                None => String::new(),
            },
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.title.clone()];
        lines.extend(large(&mebibytes(self.memory)));
        // The unit is on the last line of the figure, where reading ends.
        if let Some(foot) = lines.last_mut() {
            foot.push_str(" MiB");
        }
        let texts = [&self.trend, &self.sent, &self.received, &self.held, &self.kernel];
        lines.extend(texts.into_iter().cloned());
        lines
    }
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

/// Bytes per second of memory growth that still count as flat: an allocator's noise.
const NOTABLE: f64 = 512.0 * 1024.0;

/// Columns of the widest picture.
const WIDEST: usize = 110;
