//! What the demo shows while it runs: large figures and a growing chart on a terminal, a line a second elsewhere.

use std::io;

use echoctl_lab::demo::{self, Moment, Phase, Plan, in_kernel, story};
use echoctl_record::{Bytes, Rate, Sample, Seconds};

use crate::output;
use crate::output::Styled;
use crate::view::digits::large;
use crate::view::screen::Screen;

/// The screen of a running demo.
pub(super) struct Live {
    plan: Plan,
    screen: Screen,
    off: Vec<Sample>,
    on: Vec<Sample>,
}

impl Live {
    pub(super) fn new(plan: Plan) -> Live {
        Live { plan, screen: Screen::new(), off: Vec::new(), on: Vec::new() }
    }

    /// Adds one moment and draws all of them.
    pub(super) fn show(&mut self, moment: &Moment) -> io::Result<()> {
        self.off.push(moment.off);
        self.on.push(moment.on);
        let (columns, rows) = output::terminal_size();
        let since = self.plan.began(moment.phase);
        let left = Figure::of("OFF", story::OFF_LINE, &self.off, since);
        let right = Figure::of("ON", story::ON_LINE, &self.on, since);
        let mut text = format!("{}\n\n", headline(&self.plan, moment));
        for (left, right) in left.lines().into_iter().zip(right.lines()) {
            text.push_str(&format!("  {left:<38}  {right}\n"));
        }
        text.push('\n');
        let used = text.lines().count();
        let height = rows.saturating_sub(used + 1).clamp(6, 20);
        let chart = demo::memory_chart(&self.plan, &self.off, &self.on);
        let chart = Styled::chart(&chart, columns.min(110), height, output::live_colour());
        self.screen.draw(Styled::from(text).then(chart))
    }
}

/// One line on a moment, for logs and pipes.
pub(super) fn line(moment: &Moment, first: &Moment) -> String {
    let side = |now: &Sample, start: &Sample| {
        let (memory, sent) = (Bytes(growth(now, start)).to_string(), Bytes(now.produced).to_string());
        format!("+{memory:<8} sent {sent:<8}")
    };
    let (off, on) = (side(&moment.off, &first.off), side(&moment.on, &first.on));
    format!("{:3.0} s  {:13}  OFF {off}  ON {}", moment.t, moment.phase, on.trim_end())
}

/// What the clients are doing, in a sentence.
fn headline(plan: &Plan, moment: &Moment) -> String {
    let rate = Rate(plan.rate as f64);
    let what = match moment.phase {
        Phase::Reads => format!("Both clients send {rate} and READ the replies."),
        Phase::Stopped => format!("Both clients STOPPED READING and still try to send {rate}."),
        Phase::ReadsAgain => "Both clients READ AGAIN, and send what is left.".to_owned(),
        Phase::Done if [moment.off, moment.on].iter().all(|side| side.consumed == plan.total) => {
            format!("All {} came back to both clients.", Bytes(plan.total))
        }
        Phase::Done => "Both clients have ended, and not all came back.".to_owned(),
    };
    format!("{:5.1} s  {what}", moment.t)
}

/// How much more memory the server has than at the start, in bytes.
fn growth(now: &Sample, start: &Sample) -> u64 {
    now.server_memory.unwrap_or(0).saturating_sub(start.server_memory.unwrap_or(0))
}

/// One server's figure with its words.
struct Figure {
    title: String,
    memory: u64,
    trend: String,
    flow: String,
    held: String,
}

impl Figure {
    /// The figure of a side of which `samples` are known, in a phase that began at `since`.
    fn of(name: &str, line: &str, samples: &[Sample], since: f64) -> Figure {
        let (first, now) = (&samples[0], &samples[samples.len() - 1]);
        // One second is long enough for a steady trend; what was before the phase says nothing about it.
        let is_recent = |sample: &&Sample| now.t - sample.t <= 1.0 && sample.t >= since;
        let before = samples.iter().find(is_recent).unwrap_or(now);
        let seconds = (now.t - before.t).max(0.001);
        let change = (growth(now, first) as f64 - growth(before, first) as f64) / seconds;
        let trend = match change {
            change if change > NOTABLE => format!("of memory, rising {}", Rate(change)),
            change if change < -NOTABLE => format!("of memory, falling {}", Rate(-change)),
            _ => "of memory, flat".to_owned(),
        };
        let held = stalled_for(samples);
        Figure {
            title: format!("{name}   {line}"),
            memory: growth(now, first),
            trend,
            flow: format!("sent {}, read back {}", Bytes(now.produced), Bytes(now.consumed)),
            held: match (held > 0.4, in_kernel(now)) {
                (true, Some(kernel)) => format!("held back {}, kernel holds {kernel}", Seconds(held)),
                (true, None) => format!("client held back for {}", Seconds(held)),
                (false, _) => String::new(),
            },
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.title.clone()];
        lines.extend(large(&mebibytes(self.memory)));
        // The unit stands at the foot of the figure, where the eye ends.
        if let Some(foot) = lines.last_mut() {
            foot.push_str(" MiB");
        }
        lines.extend([self.trend.clone(), self.flow.clone(), self.held.clone()]);
        lines
    }
}

/// For how many seconds the client has sent nothing although it still had something to send and did not read.
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

/// A change of memory, in bytes a second, below which it counts as flat: an allocator's noise.
const NOTABLE: f64 = 512.0 * 1024.0;
