//! The path: every queue between producer and consumer, in the order in which a byte passes them.
//!
//! ```text
//!   produced                  8.7 MiB  HELD BACK for 2.5 s           0 B/s
//!     client send queue       3.9 MiB  ████████            full      steady
//!     server receive queue    763 KiB  █▌                  full      steady
//!     INSIDE THE SERVER        16 KiB  ▏                             steady
//!     server send queue       3.9 MiB  ████████▏           full      steady
//!     client receive queue    126 KiB  ▎                   full      steady
//!   consumed                      0 B                                0 B/s
//! ```
//!
//! Bars are on one scale, the bytes on the way, so that they show where these are; how full a queue is stands context its
//! bar. It only draws: what it is given is a [`Sample`] and what stands context it.

use std::fmt::Write;

use echoctl_observe::{Occupancy, PathState};
use echoctl_record::{Bytes, Queues, Sample, Seconds};

use super::trend::Recent;

/// Draws one path, moment by moment. Remembers the last second, for the trends.
#[derive(Debug, Default)]
pub(crate) struct PathView {
    recent: Recent,
}

/// What stands context a sample.
#[derive(Debug, Clone, Default)]
pub(crate) struct Context {
    /// What runs, in a few words.
    pub(crate) title: String,
    /// The server: its name and pid, or why they are not known.
    pub(crate) server: String,
    /// Windows, and the limits of the kernels' queues.
    pub(crate) path: PathState,
    /// For how long the producer has been held back, in seconds.
    pub(crate) held_back: Option<f64>,
    /// The server's memory before the run, in bytes.
    pub(crate) base_memory: Option<u64>,
    /// Memory that the machine has left, in bytes.
    pub(crate) available: Option<u64>,
}

impl PathView {
    /// Takes one more sample.
    pub(crate) fn add(&mut self, sample: Sample) {
        self.recent.add(sample);
    }

    /// The picture: 18 lines of at most 79 columns.
    pub(crate) fn text(&self, context: &Context) -> String {
        let Some(now) = self.recent.last() else { return String::new() };
        let mut text = format!("{:<66.66}{:>12}\n\n", context.title, Seconds(now.t).to_string());
        let mut line = |line: String| {
            text.push_str(line.trim_end());
            text.push('\n');
        };
        let held_back = context.held_back.filter(|&seconds| seconds >= HELD_BACK_SECONDS);
        let waiting = held_back.map(|seconds| format!("HELD BACK for {}", Seconds(seconds)));
        let producing = self.recent.flow(|sample| Some(sample.produced));
        line(counter("produced", now.produced, waiting.as_deref().unwrap_or_default(), &producing));
        let on_the_way = now.produced.saturating_sub(now.consumed);
        for queue in &QUEUES {
            line(self.queue(queue, now, on_the_way, context));
        }
        let consuming = self.recent.flow(|sample| Some(sample.consumed));
        line(counter("consumed", now.consumed, "", &consuming));
        line(String::new());
        line(format!("  {:<10}{}", "server", context.server));
        line(format!("  {:<10}{}", "memory", self.memory(now, context)));
        line(format!("  {:<10}{}", "", self.exhaustion(context)));
        line(format!("  {:<10}{}", "kernel", kernel(now)));
        line(format!("  {:<10}{}", "window", window(&context.path, held_back)));
        line(format!("  {:<10}{}", "", congestion_window(&context.path)));
        line(String::new());
        line(format!("  {}", self.diagnosis(now, context, held_back)));
        text
    }

    fn queue(&self, queue: &Queue, now: &Sample, on_the_way: u64, context: &Context) -> String {
        let name = queue.name(now, context.base_memory);
        let Some(bytes) = (queue.bytes)(&Queues::of(now)) else {
            return format!("    {name:<22}{:>9}", "not visible here");
        };
        let full =
            (queue.occupancy)(&context.path).and_then(Occupancy::fraction).map(fullness).unwrap_or_default();
        let trend = self.recent.trend(|sample| (queue.bytes)(&Queues::of(sample)), bytes);
        let bar = bar(bytes, on_the_way);
        format!("    {name:<22}{:>9}  {bar:<BAR$}  {full:<10}{trend}", Bytes(bytes).to_string())
    }

    /// The server's memory, its growth and its trend.
    fn memory(&self, now: &Sample, context: &Context) -> String {
        let Some(memory) = now.server_memory else { return "not visible here: give --pid".to_owned() };
        let mut text = Bytes(memory).to_string();
        if let Some(base) = context.base_memory {
            let _ = write!(text, ", {} more than at the start", Bytes(memory.saturating_sub(base)));
        }
        let _ = write!(text, ", {}", self.recent.trend(|sample| sample.server_memory, memory));
        text
    }

    /// Where the growth of the server's memory leads, if it grows.
    fn exhaustion(&self, context: &Context) -> String {
        let rising = self.recent.slope(|sample| sample.server_memory).filter(|&slope| slope > RISING);
        let Some((slope, available)) = rising.zip(context.available) else { return String::new() };
        let seconds = available as f64 / slope;
        format!("at this rate the machine's memory is used up in {}", until(seconds))
    }

    /// What it all means, in one sentence.
    fn diagnosis(&self, now: &Sample, context: &Context, held_back: Option<f64>) -> &'static str {
        let inside = self.recent.slope(|sample| Queues::of(sample).inside_server).unwrap_or(0.0);
        let memory = self.recent.slope(|sample| sample.server_memory).unwrap_or(0.0);
        let produced = self.recent.slope(|sample| Some(sample.produced)).unwrap_or(0.0);
        let consumed = self.recent.slope(|sample| Some(sample.consumed)).unwrap_or(0.0);
        if held_back.is_some() {
            "Backpressure: the server stopped reading, so the producer has to wait."
        } else if inside > RISING && does_not_hold(now, context.base_memory) {
            "The server reads on, but its memory does not hold it: no echo, or it drops."
        } else if inside > RISING && memory > RISING {
            "No backpressure: the server reads on, and its memory takes what nobody reads."
        } else if inside > RISING {
            "The server reads on, though nobody reads its replies."
        } else if produced > RISING && consumed > 0.8 * produced {
            "It flows: what is produced is consumed."
        } else if now.produced == 0 {
            "Nothing has been sent yet."
        } else if now.produced == now.consumed {
            "No byte is on the way: all that was produced is consumed."
        } else if consumed > produced + RISING {
            "The consumer catches up: the queues drain."
        } else {
            "The producer is faster than the consumer: the kernels' queues fill first."
        }
    }
}

/// One queue of the path, and where to find what is known of it.
struct Queue {
    name: &'static str,
    bytes: fn(&Queues) -> Option<u64>,
    /// `None` for a queue that no kernel limits.
    occupancy: fn(&PathState) -> Option<Occupancy>,
}

impl Queue {
    /// What it is called. Only an echo that keeps what it owes has a queue inside: where memory shows that it does not, the
    /// difference of the two counters is called what it is.
    fn name(&self, now: &Sample, base_memory: Option<u64>) -> &'static str {
        if self.name == INSIDE && does_not_hold(now, base_memory) { "READ, NOT WRITTEN" } else { self.name }
    }
}

/// Whether the server's memory does not hold what it has read and not written back.
fn does_not_hold(now: &Sample, base_memory: Option<u64>) -> bool {
    let unwritten = Queues::of(now).inside_server;
    let growth = now.server_memory.zip(base_memory).map(|(now, base)| now.saturating_sub(base));
    unwritten.zip(growth).is_some_and(|(unwritten, growth)| is_not_held(unwritten, growth))
}

/// Whether so much that was read and not written back cannot be in memory that grew by `growth`. Bytes.
pub(crate) fn is_not_held(unwritten: u64, growth: u64) -> bool {
    unwritten > WORTH_A_DOUBT && growth < unwritten / 2
}

/// The queues, in the order in which a byte passes them.
const QUEUES: [Queue; 5] = [
    Queue {
        name: "client send queue",
        bytes: |queues| queues.client_send,
        occupancy: |path| Some(path.client_send),
    },
    Queue {
        name: "server receive queue",
        bytes: |queues| queues.server_receive,
        occupancy: |path| Some(path.server_receive),
    },
    Queue { name: INSIDE, bytes: |queues| queues.inside_server, occupancy: |_| None },
    Queue {
        name: "server send queue",
        bytes: |queues| queues.server_send,
        occupancy: |path| Some(path.server_send),
    },
    Queue {
        name: "client receive queue",
        bytes: |queues| queues.client_receive,
        occupancy: |path| Some(path.client_receive),
    },
];

/// The table that adds up: where the bytes of one moment were.
pub(crate) fn table(sample: &Sample, base_memory: Option<u64>) -> String {
    let mut text = format!("  {:<26}{:>10}\n", "produced", Bytes(sample.produced).to_string());
    for queue in &QUEUES {
        let bytes = (queue.bytes)(&Queues::of(sample));
        let bytes = bytes.map_or("not visible".to_owned(), |bytes| Bytes(bytes).to_string());
        let _ = writeln!(text, "    {:<24}{bytes:>10}", queue.name(sample, base_memory));
    }
    let _ = write!(text, "  {:<26}{:>10}", "consumed", Bytes(sample.consumed).to_string());
    text
}

fn kernel(now: &Sample) -> String {
    match now.kernel_memory {
        Some(bytes) => format!("{} of memory for the queues of both ends", Bytes(bytes)),
        None => "not visible here".to_owned(),
    }
}

/// One end of the path: a cumulative counter, what is to be said of it, and its rate.
fn counter(name: &str, bytes: u64, remark: &str, flow: &str) -> String {
    let width = BAR + 10;
    format!("  {name:<24}{:>9}  {remark:<width$}  {flow}", Bytes(bytes).to_string())
}

fn window(path: &PathState, held_back: Option<f64>) -> String {
    match (path.window, path.window_zero_for) {
        (None, _) => "not visible here".to_owned(),
        // The same wait as the producer's, begun a moment later: one figure for it is enough.
        (Some(0), _) if held_back.is_some() => "0: the server's kernel takes no more".to_owned(),
        (Some(0), Some(time)) => {
            format!("0 for {}: the server's kernel takes no more", Seconds(time.as_secs_f64()))
        }
        (Some(bytes), _) => format!("{}: what the server's kernel would still take", Bytes(bytes)),
    }
}

/// The other window, which is no matter of the peer's.
fn congestion_window(path: &PathState) -> String {
    match path.congestion_window {
        None => String::new(),
        Some(bytes) => format!("the congestion window, what the network may hold, is {}", Bytes(bytes)),
    }
}

/// How full a queue is, from the part of its memory that is used.
fn fullness(part: f64) -> String {
    match (part * 100.0) as u64 {
        0 => String::new(),
        // A queue takes no more a little before its limit: what is left would not hold a segment.
        percent if percent >= 95 => "full".to_owned(),
        percent => format!("{percent} %"),
    }
}

/// A bar for `part` of `whole`, in eighths of a column; a part that is not nothing is never invisible.
fn bar(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return String::new();
    }
    let eighths = (u128::from(part) * BAR as u128 * 8 / u128::from(whole)).clamp(1, BAR as u128 * 8) as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]);
    bar
}

/// A time to come, as one would say it.
fn until(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// What an echo holds.
const INSIDE: &str = "INSIDE THE SERVER";

/// Bytes below which memory says nothing of a queue: a heap has as much to spare.
const WORTH_A_DOUBT: u64 = 8 << 20;

/// Columns of a bar.
const BAR: usize = 18;

/// Bytes a second above which a queue rises.
const RISING: f64 = 256.0 * 1024.0;

/// Shorter waits than this are the kernel's ordinary business: a send queue wakes its writer when a third is free.
const HELD_BACK_SECONDS: f64 = 0.5;

#[cfg(test)]
mod tests;
