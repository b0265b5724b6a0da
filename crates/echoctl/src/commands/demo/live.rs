//! Shows the running demo: large figures and a growing chart on a terminal, one line per second elsewhere.

use std::io;

use echoctl_lab::demo::{self, Moment, Phase, Plan, in_kernel, story};
use echoctl_observe::machine;
use echoctl_record::{Bytes, Rate, Sample, Seconds, SocketLimits};
use echoctl_report::Recent;
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
    phase: Phase,
    off: Side,
    on: Side,
}

impl Live {
    pub(super) fn new(plan: Plan) -> Live {
        let (off, on) = (Side::new("OFF", story::OFF_LINE), Side::new("ON", story::ON_LINE));
        Live { plan, limits: machine().socket_limits(), screen: Screen::new(), phase: Phase::Reads, off, on }
    }

    /// Adds one moment and draws all of them.
    pub(super) fn show(&mut self, moment: &Moment) -> io::Result<()> {
        for (side, sample) in [(&mut self.off, moment.off), (&mut self.on, moment.on)] {
            if moment.phase != self.phase {
                // Samples before the phase would distort its trend.
                side.recent = Recent::default();
            }
            side.recent.add(sample);
            side.samples.push(sample);
        }
        self.phase = moment.phase;
        let (columns, rows) = output::terminal_size();
        let mut text = format!("{}\n\n", headline(&self.plan, moment));
        let half = columns.min(WIDEST) / 2;
        let [left, right] = [&self.off, &self.on].map(|side| side.lines(self.phase, &self.limits));
        for (left, right) in left.into_iter().zip(right) {
            text.push_str(&format!(" {left:<width$} {right}\n", width = half.saturating_sub(1)));
        }
        text.push('\n');
        let used = text.lines().count();
        let height = rows.saturating_sub(used + 1).clamp(6, 20);
        let chart = demo::memory_chart(&self.plan, &self.off.samples, &self.on.samples);
        let chart = Styled::chart(&chart, columns.min(WIDEST), height, output::live_colour());
        self.screen.draw(Styled::from(text).then(chart))
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

/// Columns of the widest picture.
const WIDEST: usize = 110;
