//! Draws the path of a byte: every queue between producer and consumer, in order.
//!
//! ```text
//!   written by the client     8.7 MiB  HELD BACK for 2.5 s           0 B/s
//!     client send queue       3.9 MiB  ████████            full      steady
//!     server receive queue    763 KiB  █▌                  full      steady
//!     INSIDE THE SERVER        16 KiB  ▏                             steady
//!     server send queue       3.9 MiB  ████████▏           full      steady
//!     client receive queue    126 KiB  ▎                   full      steady
//!   read by the client            0 B                                0 B/s
//! ```
//!
//! All bars have one scale, the bytes in flight, and so show where these are. Beside each bar is how full the queue is. Nothing
//! is measured here: everything comes from a [`Sample`] and its [`Context`].

mod kernels;
mod layout;

use std::fmt::Write;

use echoctl_record::{Bytes, Queue, Queues, Rate, Sample, Seconds};

pub use kernels::{Fill, Kernels};
use layout::Layout;
pub(crate) use layout::bar;

use crate::run::Recent;
use crate::{shown, wrap};

/// Draws the path again and again. Remembers the last second, for trends.
#[derive(Debug, Default)]
pub struct PathView {
    recent: Recent,
}

/// Everything that is drawn and is not in the sample.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// What runs, in a few words.
    pub title: String,
    /// Name and pid of the server, or why they are unknown.
    pub server: String,
    /// Windows, and how full the kernels' queues are.
    pub kernels: Kernels,
    /// Whether the producer waits at this moment: the kernel has refused a write.
    pub is_blocked: bool,
    /// How long the producer has been held back, in seconds, if that is worth a remark.
    pub held_back: Option<f64>,
    /// The server's memory before the run, in bytes.
    pub base_memory: Option<u64>,
    /// The most memory that the server had: in the last frame, whose figures are those of the result.
    pub most_memory: Option<u64>,
    /// Where the bytes are that the server has read and not written back.
    pub unwritten: Unwritten,
    /// What a user can do where the server's memory is not visible.
    pub memory_hint: &'static str,
    /// Memory available on this machine, in bytes.
    pub available: Option<u64>,
    /// The growth of the server's memory at which the run stops, in bytes.
    pub growth_limit: Option<u64>,
    /// Whether the client reads at a rate below that of the producer.
    pub is_slow_reader: bool,
    /// Whether all connections have sent everything.
    pub has_sent_all: bool,
    /// Whether this is the last frame, which stays.
    pub is_last: bool,
}

/// Where the bytes are that a server has read and not written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unwritten {
    /// In its memory, or not known to be elsewhere.
    #[default]
    Inside,
    /// Not in its memory, which has grown by too little.
    Missing,
}

impl PathView {
    /// Adds one sample.
    pub fn add(&mut self, sample: Sample) {
        self.recent.add(sample);
    }

    /// Draws the newest sample for a terminal of this size: 18 lines from 79 columns on, more lines on a narrower one. On a
    /// lower one details are left out, and never the sentence at the end.
    pub fn text(&self, context: &Context, (columns, rows): (usize, usize)) -> String {
        let Some(now) = self.recent.last() else { return String::new() };
        let layout = Layout::of(columns);
        let columns = layout.columns;
        let held_back = context.held_back;

        let mut path = Vec::new();
        let remark = held_back.map(|seconds| layout.held_back(seconds)).unwrap_or_default();
        // A producer that is held back sends nothing, whatever it sent a second ago.
        let producing = match held_back {
            Some(_) => Rate(0.0).to_string(),
            None => self.recent.flow(|sample| Some(sample.produced)),
        };
        path.push(layout.counter(SENT, now.produced, &remark, &producing));
        let in_flight = now.produced.saturating_sub(now.consumed);
        path.extend(Queue::ALL.into_iter().map(|queue| self.queue(queue, now, in_flight, context, &layout)));
        let consuming = self.recent.flow(|sample| Some(sample.consumed));
        path.push(layout.counter(READ, now.consumed, "", &consuming));

        let mut details = layout.field("server", &context.server);
        details.extend(layout.field("memory", &self.memory(now, context)));
        // A run that is over grows no more.
        let exhaustion = if context.is_last { String::new() } else { self.exhaustion(now, context) };
        // An empty line keeps the lines below in place, until the last frame.
        if !(exhaustion.is_empty() && context.is_last) {
            details.extend(layout.field("", &exhaustion));
        }
        details.extend(layout.field("kernel", &kernel(now)));
        details.extend(layout.field("windows", &context.kernels.receive_window(held_back.is_some())));
        details.extend(layout.field("", &context.kernels.congestion_window()));

        let diagnosis = wrap(self.diagnosis(now, context), columns - 2);
        let diagnosis = diagnosis.into_iter().map(|line| format!("  {line}"));

        let time = Seconds(now.t).to_string();
        let room = columns - time.chars().count() - 1;
        let mut lines = vec![format!("{:<room$.room$} {time}", context.title), String::new()];
        lines.extend(path);
        lines.push(String::new());
        // One row for the empty line, one for the cursor.
        let room = rows.saturating_sub(lines.len() + diagnosis.len() + 2);
        details.truncate(room);
        lines.extend(details);
        lines.push(String::new());
        lines.extend(diagnosis);
        lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
    }

    fn queue(
        &self,
        queue: Queue,
        now: &Sample,
        in_flight: u64,
        context: &Context,
        layout: &Layout,
    ) -> String {
        let name = name(queue, context.unwritten);
        let Some(bytes) = Queues::of(now)[queue] else {
            return layout.queue(name, None, "", "", "");
        };
        let fill = match context.kernels.fill(queue) {
            // The kernel has refused a write, whatever its counters show a moment later.
            _ if queue == Queue::ClientSend && context.is_blocked => Fill::Full,
            // The kernel counts memory, some of which an empty queue has as well.
            Fill::Part(_) if bytes == 0 => Fill::Hidden,
            fill => fill,
        };
        let trend = self.recent.trend(|sample| Queues::of(sample)[queue], bytes);
        layout.queue(name, Some(bytes), &bar(bytes, in_flight, layout.bar), &fill.to_string(), &trend)
    }

    /// The server's memory, its growth and its trend.
    fn memory(&self, now: &Sample, context: &Context) -> String {
        let Some(memory) = context.most_memory.or(now.server_memory) else {
            return format!("not visible here{}", context.memory_hint);
        };
        let mut text = Bytes(memory).to_string();
        if let Some(base) = context.base_memory {
            let _ = write!(text, ", grew by {}", Bytes(memory.saturating_sub(base)));
        }
        // Unknown in the first tenths of a second.
        let trend = self.recent.trend(|sample| sample.server_memory, memory);
        if !trend.is_empty() {
            let _ = write!(text, ", {trend}");
        }
        text
    }

    /// When the run stops and when the machine's memory would be used up, if the server's memory grows.
    fn exhaustion(&self, now: &Sample, context: &Context) -> String {
        let rising = self.recent.slope(|sample| sample.server_memory).filter(|&slope| slope > RISING);
        let Some((slope, available)) = rising.zip(context.available) else { return String::new() };
        let full_in = until(available as f64 / slope);
        let grown = now
            .server_memory
            .zip(context.base_memory)
            .map_or(0, |(memory, base)| memory.saturating_sub(base));
        match context.growth_limit {
            Some(limit) if limit.saturating_sub(grown) < available => {
                let stops_in = until(limit.saturating_sub(grown) as f64 / slope);
                format!(
                    "would grow by {}, flood's limit, in {stops_in} (memory full in {full_in})",
                    Bytes(limit)
                )
            }
            _ => format!("the machine's memory would be full in {full_in}"),
        }
    }

    /// What all of this means, in one sentence.
    fn diagnosis(&self, now: &Sample, context: &Context) -> &'static str {
        let inside = self.recent.slope(|sample| Queues::of(sample)[Queue::Inside]).unwrap_or(0.0);
        let memory = self.recent.slope(|sample| sample.server_memory).unwrap_or(0.0);
        let produced = self.recent.slope(|sample| Some(sample.produced)).unwrap_or(0.0);
        let consumed = self.recent.slope(|sample| Some(sample.consumed)).unwrap_or(0.0);
        if context.held_back.is_some() && context.is_slow_reader {
            "Backpressure: the server reads only as fast as the client does, so the producer has to wait."
        } else if context.held_back.is_some() {
            "Backpressure: the server stopped reading, so the producer has to wait."
        } else if inside > RISING && context.unwritten == Unwritten::Missing {
            "The server keeps reading, but its memory does not hold the bytes: it drops them, or it does not echo."
        } else if inside > RISING && memory > RISING {
            "No backpressure: the server keeps reading and buffers in memory what the client does not read."
        } else if inside > RISING {
            "The server keeps reading, although the client does not read its replies."
        } else if produced > RISING && consumed > 0.8 * produced && context.is_slow_reader {
            "The producer sends only as fast as the client reads; what is queued stays queued."
        } else if produced > RISING && consumed > 0.8 * produced {
            "Steady flow: every byte that is sent is read back."
        } else if now.produced == 0 {
            "Nothing has been sent yet."
        } else if now.produced == now.consumed {
            "Nothing is pending: every byte that was sent has been read back."
        } else if context.has_sent_all && consumed > 0.0 {
            "Sending has ended; the queues are draining."
        } else if context.has_sent_all {
            "Sending has ended, and the client has not read everything yet."
        } else if consumed > produced + RISING && context.is_slow_reader {
            "The reader is working through what is queued."
        } else if consumed > produced + RISING {
            "The consumer is faster than the producer, and the queues drain."
        } else {
            "The producer is faster than the consumer, so the kernel queues fill first."
        }
    }
}

/// The label of a queue. Only an echo server that buffers pending replies has a queue inside. Where its memory shows that it does
/// not, the difference of the two counters gets a name of its own.
fn name(queue: Queue, unwritten: Unwritten) -> &'static str {
    match (queue, unwritten) {
        (Queue::Inside, Unwritten::Missing) => "READ, NOT WRITTEN",
        (Queue::Inside, Unwritten::Inside) => "INSIDE THE SERVER",
        (kernel, _) => kernel.label(),
    }
}

/// Table of one sample: where its bytes were. The rows add up.
pub fn table(sample: &Sample, unwritten: Unwritten) -> String {
    let mut text = format!("  {:<26}{:>10}\n", SENT, Bytes(sample.produced).to_string());
    for queue in Queue::ALL {
        let bytes = shown(Queues::of(sample)[queue].map(Bytes));
        let _ = writeln!(text, "    {:<24}{bytes:>10}", name(queue, unwritten));
    }
    let _ = write!(text, "  {:<26}{:>10}", READ, Bytes(sample.consumed).to_string());
    text
}

fn kernel(now: &Sample) -> String {
    match now.kernel_memory {
        Some(bytes) => format!("{} of memory for the queues of both ends", Bytes(bytes)),
        None => "not visible here".to_owned(),
    }
}

/// A time in the future, without false precision.
fn until(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

/// Labels of the two ends, as in the reports.
const SENT: &str = "written by the client";
const READ: &str = "read by the client";

/// Bytes per second above which a queue counts as growing.
const RISING: f64 = 256.0 * 1024.0;

#[cfg(test)]
mod tests;
