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
    off: Server,
    on: Server,
}

impl Picture {
    /// A picture without moments.
    pub fn new(plan: Plan) -> Picture {
        let (off, on) = (Server::new("OFF", story::OFF_LINE), Server::new("ON", story::ON_LINE));
        Picture { plan, limits: machine().socket_limits(), last: None, off, on }
    }

    /// Adds a moment.
    pub fn add(&mut self, moment: &Moment) {
        for (server, sample) in [(&mut self.off, moment.off), (&mut self.on, moment.on)] {
            if self.last.is_some_and(|last| last.phase != moment.phase) {
                // Samples before the phase would distort its trend.
                server.recent = Recent::default();
            }
            server.recent.add(sample);
            server.samples.push(sample);
        }
        self.last = Some(*moment);
    }

    /// What the clients are doing, and below it both servers side by side in `columns`; empty before the first moment.
    pub fn text(&self, columns: usize) -> String {
        let Some(moment) = &self.last else { return String::new() };
        let mut text = format!("{}\n\n", headline(&self.plan, moment));
        let width = (columns / 2).saturating_sub(1);
        let [left, right] = [&self.off, &self.on].map(|server| server.lines(moment.phase, &self.limits));
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
struct Server {
    title: String,
    samples: Vec<Sample>,
    recent: Recent,
}

impl Server {
    fn new(name: &str, line: &str) -> Server {
        Server { title: format!("{name}   {line}"), samples: Vec::new(), recent: Recent::default() }
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

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A server's memory at `t`, when its client has written `produced` and read `consumed`.
    fn sample(t: f64, memory: u64, produced: u64, consumed: u64) -> Sample {
        Sample { t, produced, consumed, server_memory: Some(memory), ..Sample::default() }
    }

    /// Adds moments, 20 per second from `from` on.
    fn add(picture: &mut Picture, phase: Phase, from: f64, count: u32, sides: impl Fn(f64) -> [Sample; 2]) {
        for tick in 0..count {
            let t = from + f64::from(tick) / 20.0;
            let [off, on] = sides(t);
            picture.add(&Moment { t, phase, off, on });
        }
    }

    /// OFF grows by 64 MiB per second while its client does not read, and ON not at all.
    fn growing(t: f64) -> [Sample; 2] {
        let written = (64.0 * t) as u64 * MIB;
        [sample(t, 2 * MIB + written, written, 0), sample(t, 2 * MIB, 8 * MIB, 0)]
    }

    /// Where `text` begins in each line that contains it, in characters.
    fn columns_of(picture: &str, text: &str) -> Vec<usize> {
        let in_line = |line: &str| -> Vec<usize> {
            line.match_indices(text).map(|(at, _)| line[..at].chars().count()).collect()
        };
        picture.lines().flat_map(in_line).collect()
    }

    #[test]
    fn both_servers_are_side_by_side_at_any_width() {
        let mut picture = Picture::new(Plan::FULL);
        add(&mut picture, Phase::Stopped, 0.0, 101, growing);

        for columns in [60, 110] {
            let text = picture.text(columns);

            assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
            let right = columns / 2 + 1;
            assert_eq!(columns_of(&text, "OFF   queue.push(reply)"), [1], "{text}");
            assert_eq!(columns_of(&text, "ON   write(reply).await"), [right], "{text}");
            for both in ["memory growth, ", "written   ", "read back 0 B"] {
                assert_eq!(columns_of(&text, both), [1, right], "{text}");
            }
            assert!(text.contains("written   320 MiB") && text.contains("written   8 MiB"), "{text}");
            let [off, on] = ["320", "0.0"].map(large);
            for (off, on) in off.iter().zip(&on) {
                assert!(text.lines().any(|line| line.contains(off) && line.contains(on)), "{text}");
            }
        }
    }

    #[test]
    fn a_trend_is_that_of_its_phase() {
        let mut picture = Picture::new(Plan::FULL);
        add(&mut picture, Phase::Stopped, 0.0, 41, growing);
        let before = picture.text(110);

        let [off, on] = growing(2.05);
        let read = |sample: Sample| Sample { consumed: sample.produced, ..sample };
        picture.add(&Moment { t: 2.05, phase: Phase::ReadsAgain, off, on: read(on) });
        let after = picture.text(110);

        assert!(
            before.contains("memory growth, +64 MiB/s") && before.contains("memory growth, steady"),
            "{before}"
        );
        assert!(
            after.contains("memory growth, draining") && after.contains("memory growth, steady"),
            "{after}"
        );
        assert!(!after.contains("/s"), "{after}");
    }

    #[test]
    fn a_client_that_is_held_back_is_timed_and_its_bytes_are_found() {
        let mut picture = Picture::new(Plan::FULL);
        picture.limits = SocketLimits { send: 4 * MIB, receive: 6 * MIB };
        // A mebibyte in each of three kernel queues, and none inside the server.
        let held = |t: f64| Sample {
            server_received: Some(2 * MIB),
            server_read: Some(2 * MIB),
            server_written: Some(2 * MIB),
            client_received: Some(MIB),
            ..sample(t, 2 * MIB, 3 * MIB, 0)
        };
        add(&mut picture, Phase::Stopped, 0.0, 2, |t| [growing(t)[0], held(t)]);
        let early = picture.text(60);
        add(&mut picture, Phase::Stopped, 0.1, 39, |t| [growing(t)[0], held(t)]);
        let late = picture.text(60);

        assert!(!early.contains("held back") && !early.contains("kernel"), "{early}");
        assert_eq!(columns_of(&late, "client held back for 2.0 s"), [31], "{late}");
        assert_eq!(columns_of(&late, "3 MiB wait in the kernel"), [31], "{late}");
        assert_eq!(columns_of(&late, "held back").len(), 1, "OFF is not: {late}");
    }

    #[test]
    fn there_is_no_picture_before_the_first_moment() {
        assert_eq!(Picture::new(Plan::FULL).text(80), "");
    }
}
