//! `flow-control`: the receiver announces a window, the number of bytes it accepts next. When its program reads too slowly,
//! the window closes and the sender stops. This is not congestion control, which protects the network between them.

#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoctl_observe::{TcpInfo, receive_queue};
use echoctl_record::Bytes;
use echoctl_report::{Chart, Ink, Series, Stroke, Table, Unit};
use serde::Serialize;

use crate::kit::loopback::{Clamp, ETHERNET, connection_with};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "flow-control",
    idea: "the window closes and opens again; it is not congestion control",
    question: Question {
        text: "A sender writes 1 MiB per second, and the receiver's program reads a quarter of that. The network is perfect. \
               What makes the sender stop?",
        choices: &[
            "segments are lost, and congestion control slows the sender down",
            "the receiver's kernel announces a window of 0",
            "nothing: the receiver's kernel buffers everything that has not been read",
        ],
    },
    code: Code { source: include_str!("mod.rs"), node: None },
    next: &[
        ("echoctl flood --no-read", "a closing window, live (first start echoctl serve)"),
        ("ss -tmi", "the window, cwnd and queue memory of every connection"),
        ("echoctl lesson send-buffer", "what the sender's program sees of a closed window"),
        ("echoctl lesson backpressure", "what a server does while it cannot send"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// The receive window in bytes, as the sender knows it.
    window_start: Bytes,
    window_min: Bytes,
    /// The largest window once the receiver read faster.
    window_reopened: Bytes,
    /// Unread bytes at the receiver when the window was 0.
    queue_at_zero: Bytes,
    /// Bytes that the program then read before the window first opened.
    read_until_open: Bytes,
    /// The most that the program read while the window stayed closed.
    max_read_while_closed: Bytes,
    /// The congestion window in bytes while the receive window was 0.
    cwnd_at_zero: Bytes,
    /// Seconds for which the window was observed at 0.
    zero_seconds: f64,
}

/// Both ends at one moment.
#[derive(Clone, Copy)]
struct Observation {
    t: f64,
    phase_began: f64,
    window: u32,
    cwnd: u64,
    queue: u64,
    bytes_read: u64,
}

// [show]
fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let (writer, reader) = connection_with(SMALL)?;
    let bytes_read = Arc::new(AtomicU64::new(0));
    let watcher =
        Watcher { writer: &writer, reader: &reader, bytes_read: &bytes_read, started: Instant::now() };
    // Sabotage: the reader never pauses.
    let reads_every = Pause::new(if setting.sabotage { Duration::ZERO } else { SLOW });
    send(writer.try_clone()?)?; // 4 KiB every 4 ms: 1 MiB per second
    read(reader.try_clone()?, reads_every.clone(), bytes_read.clone())?; // 8 KiB every 30 ms: a quarter of that

    let slow = watcher.until(|observation, _| observation.window == 0)?;
    if !setting.sabotage {
        reads_every.set(Duration::MAX); // now it reads nothing
    }
    let none = watcher.until(|_, closed_for| closed_for > CLOSED_FOR)?;
    reads_every.set(if setting.sabotage { Duration::ZERO } else { TICK }); // now it reads 8 KiB every 4 ms
    let fast = watcher.until(|observation, _| {
        observation.t > observation.phase_began + OPEN_FOR && observation.window > 0
    })?;
    Ok(finding(&slow, &none, &fast))
}
// [/show]

impl Observation {
    /// Whether the sender may send a segment. It does not use a smaller window.
    fn is_open(&self) -> bool {
        self.window >= ETHERNET
    }
}

/// Writes at a steady rate until the experiment is over. Does not catch up after it was blocked.
fn send(mut writer: TcpStream) -> Result<JoinHandle<()>, LessonError> {
    spawn(move || {
        while writer.write_all(&[b'x'; 4096]).is_ok() {
            thread::sleep(TICK);
        }
    })
}

/// Reads 8 KiB, pauses, and so on.
fn read(
    mut reader: TcpStream,
    pause: Pause,
    bytes_read: Arc<AtomicU64>,
) -> Result<JoinHandle<()>, LessonError> {
    spawn(move || {
        while let Ok(count @ 1..) = reader.read(&mut [0; 8192]) {
            bytes_read.fetch_add(count as u64, Ordering::Relaxed);
            let since = Instant::now();
            while since.elapsed() < pause.get() && !pause.is_over() {
                thread::sleep(TICK);
            }
        }
    })
}

/// The time between two reads, which changes while the experiment runs. The reader stops when it owns the last copy.
#[derive(Clone)]
struct Pause(Arc<AtomicU64>);

impl Pause {
    fn new(pause: Duration) -> Pause {
        Pause(Arc::new(AtomicU64::new(pause.as_nanos() as u64)))
    }

    fn set(&self, pause: Duration) {
        self.0.store(pause.as_nanos().min(u64::MAX.into()) as u64, Ordering::Relaxed);
    }

    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn is_over(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Observes both ends repeatedly. Dropping it stops the experiment's threads.
struct Watcher<'a> {
    writer: &'a TcpStream,
    reader: &'a TcpStream,
    /// Bytes that the receiver's program has read.
    bytes_read: &'a AtomicU64,
    started: Instant,
}

impl Watcher<'_> {
    /// Observes every few milliseconds until `done`, whose second argument is the seconds for which the window has been 0.
    /// Gives up after [`GIVE_UP`]: then the observations show what happened instead.
    fn until(&self, done: impl Fn(&Observation, f64) -> bool) -> Result<Vec<Observation>, LessonError> {
        let (mut observations, phase_began) = (Vec::new(), self.now());
        let mut open_at = phase_began;
        loop {
            let observation = self.observe(phase_began)?;
            if observation.window > 0 {
                open_at = observation.t;
            }
            observations.push(observation);
            if done(&observation, observation.t - open_at) || observation.t > phase_began + GIVE_UP {
                return Ok(observations);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn observe(&self, phase_began: f64) -> Result<Observation, LessonError> {
        let info = TcpInfo::of(self.writer)?;
        let window = info.snd_wnd.ok_or_else(|| LessonError::NotVisible("the peer's window".to_owned()))?;
        let cwnd = u64::from(info.snd_cwnd) * u64::from(info.snd_mss);
        let bytes_read = self.bytes_read.load(Ordering::Relaxed);
        Ok(Observation {
            t: self.now(),
            phase_began,
            window,
            cwnd,
            queue: receive_queue(self.reader)?,
            bytes_read,
        })
    }

    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        // Both threads stop at their next call. A socket that is already closed needs no shutdown.
        let _ = self.writer.shutdown(Shutdown::Both);
        let _ = self.reader.shutdown(Shutdown::Both);
    }
}

fn finding(slow: &[Observation], none: &[Observation], fast: &[Observation]) -> Finding {
    let while_slow = || slow.iter().chain(none);
    let closed = none.iter().rfind(|observation| observation.window == 0);
    let opened = fast.iter().find(|observation| observation.is_open());
    let all: Vec<&Observation> = while_slow().chain(fast).collect();
    let until_open = closed.zip(opened).map(|(zero, open)| open.bytes_read - zero.bytes_read);
    let window = |bytes: Option<u32>| Bytes(bytes.unwrap_or(0).into());
    let e = Evidence {
        max_read_while_closed: Bytes(max_read_while_closed(closed.into_iter().chain(fast))),
        window_start: window(slow.iter().map(|observation| observation.window).max()),
        window_min: window(while_slow().map(|observation| observation.window).min()),
        window_reopened: window(fast.iter().map(|observation| observation.window).max()),
        queue_at_zero: Bytes(closed.map_or(0, |observation| observation.queue)),
        read_until_open: Bytes(until_open.unwrap_or(0)),
        cwnd_at_zero: Bytes(closed.map_or(0, |observation| observation.cwnd)),
        zero_seconds: closed.map_or(0.0, |last| last.t - last.phase_began),
    };
    let began = |observations: &[Observation]| {
        observations.first().map_or(0.0, |observation| observation.phase_began)
    };
    let end = fast.last().map_or(0.0, |observation| observation.t);
    let points = |value: fn(&Observation) -> f64| {
        all.iter().map(|observation| (observation.t, value(observation))).collect()
    };
    let chart = Chart::lines("The receiver's window and its queue", Unit::Bytes)
        .describe("While the program reads slowly, its queue fills and the window falls to 0. When it reads fast, the window opens.")
        .series(Series::new("receive queue", Ink::Orange, Stroke::Solid, points(|at| at.queue as f64)))
        .series(Series::new("window", Ink::Blue, Stroke::Dashed, points(|at| f64::from(at.window))))
        .phase(0.0, began(none), "reads slowly")
        .phase(began(none), began(fast), "not at all")
        .phase(began(fast), end, "reads fast");
    Finding::new(&e)
        .chart(chart)
        .table(
            Table::new("", ["", "bytes"])
                .row(["largest window while reading slowly", &e.window_start.to_string()])
                .row(["smallest window", &e.window_min.to_string()])
                .row(["unread in the receive queue at that moment", &e.queue_at_zero.to_string()])
                .row(["congestion window (cwnd) at that moment", &e.cwnd_at_zero.to_string()])
                .row(["largest window while reading fast", &e.window_reopened.to_string()]),
        )
        .explain("In short: a receiver that does not read closes its window, and the sender has to wait.")
        .explain(format!(
            "With each segment the receiver's kernel announces its window: the number of bytes it accepts next. At first \
             that was up to {}. The program read more slowly than data arrived, so {} accumulated in the receive queue, \
             and the window fell to {}: \"send nothing\". (The two sizes need not agree: a window is only the kernel's \
             estimate of the free space, less what its own bookkeeping may need, and it is renewed with each segment.) \
             The sender's kernel stopped, the sender's own buffer filled up, and its write blocked.",
            e.window_start, e.queue_at_zero, e.window_min,
        ))
        .explain(format!(
            "For {:.1} s the program read nothing, and nothing moved. Then it read fast, and the window opened in jumps: \
             first when {} had been read, and each time after at most {}. A waiting sender fills such an opening \
             immediately, and the window closes again. A receiver does not announce every free byte, because the sender \
             would then send tiny segments (\"silly window syndrome\"). It waits until at least one segment fits, and \
             often longer. The program read faster than the sender sent, so in the end the window was up to {} again.",
            e.zero_seconds,
            e.read_until_open,
            e.max_read_while_closed.max(e.read_until_open),
            e.window_reopened,
        ))
        .explain(format!(
            "This is flow control: it protects the receiver. Congestion control is a different limit, the sender's own estimate \
             of what the network can carry. Its window (cwnd) was {} while the receive window was 0, so it did not stop the \
             sender. A sender obeys the smaller of the two. While the window is 0, the sender probes it from time to time. Some \
             kernels and tools count these window probes as \"retransmits\", so that number does not prove that anything was \
             lost.",
            e.cwnd_at_zero,
        ))
        .claim(
            "the window falls to 0",
            e.window_min == Bytes(0) && e.window_start > Bytes(0),
            format!("from {} to {}", e.window_start, e.window_min),
        )
        .claim(
            "the window opens again when the program reads",
            e.window_reopened > Bytes(0) && opened.is_some(),
            format!("to {}", e.window_reopened),
        )
        .claim(
            "the congestion window stays open while the receive window is 0",
            e.cwnd_at_zero > Bytes(0),
            format!("cwnd {}", e.cwnd_at_zero),
        )
        .measured((e.window_min == Bytes(0)).then_some('b'))
}

/// The most that the program read between two moments at which the window was open.
fn max_read_while_closed<'a>(observations: impl Iterator<Item = &'a Observation>) -> u64 {
    let (mut max, mut closed_at) = (0, None);
    for now in observations {
        let read_before = *closed_at.get_or_insert(now.bytes_read);
        max = max.max(now.bytes_read - read_before);
        if now.is_open() {
            closed_at = None;
        }
    }
    max
}

/// Small buffers at both ends, so that the window moves in visible steps.
const SMALL: Clamp = Clamp {
    client_send: Some(64 << 10),
    server_receive: Some(128 << 10),
    // With loopback's own segments of 64 KiB the window would move in jumps of at least that size.
    segment: Some(ETHERNET),
    ..Clamp::NONE
};

/// Time between two writes, and between two fast reads.
const TICK: Duration = Duration::from_millis(4);

/// Time between two slow reads.
const SLOW: Duration = Duration::from_millis(30);

/// Seconds for which the window is observed at 0 before the program reads again.
const CLOSED_FOR: f64 = 0.7;

/// Seconds for which fast reading is observed.
const OPEN_FOR: f64 = 0.8;

/// Seconds after which a phase ends even without the event it waits for.
const GIVE_UP: f64 = 4.0;
