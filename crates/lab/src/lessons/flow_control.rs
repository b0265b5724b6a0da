//! `flow-control`: the receiver says how much more it is willing to take, its window. When its program reads too slowly the
//! window closes, and the sender stops. It is not congestion control, which is about the network between them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoctl_observe::{TcpInfo, receive_queue};
use echoctl_record::Bytes;
use echoctl_report::{Chart, Ink, Series, Stroke, Unit};
use serde::Serialize;

use crate::kit::measure::{Clamp, ETHERNET, connection_with};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "flow-control",
    idea: "the window closes and opens again; it is not congestion control",
    question: Question {
        text: "A sender writes 1 MiB a second, and the receiver's program reads a quarter of that. The network is perfect. \
               What makes the sender stop?",
        choices: &[
            "segments are lost, and congestion control slows it down",
            "the receiver's kernel announces a window of 0",
            "nothing: the receiver's kernel keeps what is not yet read",
        ],
    },
    code: Code { source: include_str!("flow_control.rs"), node: None },
    next: &[
        ("echoctl flood --no-read", "its window, live, with a server of yours (start echoctl serve)"),
        ("ss -tmi", "of every connection: the window, cwnd, and the queues' memory"),
        ("echoctl lesson send-buffer", "what the sender's program sees of it"),
        ("echoctl lesson backpressure", "what a server does that is held back"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// What the receiver is willing to take, in bytes, as the sender knows it.
    window_start: u32,
    window_min: u32,
    /// The largest window once the receiver read faster.
    window_reopened: u32,
    /// Unread bytes at the receiver when the window was 0.
    queue_at_zero: u64,
    /// What the program then read before the window was seen above 0.
    read_until_open: u64,
    /// What congestion control would have allowed meanwhile, in bytes.
    cwnd_at_zero: u64,
    /// Seconds for which the window was watched at 0.
    zero_seconds: f64,
}

/// What is seen at one moment.
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
    // Sabotage: the reader never waits.
    let reads_every = Pause::new(if setting.sabotage { Duration::ZERO } else { SLOW });
    send(writer.try_clone()?)?; // 4 KiB every 4 ms: 1 MiB a second
    read(reader.try_clone()?, reads_every.clone(), bytes_read.clone())?; // 8 KiB every 30 ms: a quarter of it

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

/// Writes at a steady pace until the experiment is over. What was not written while it was held back is not made up for.
fn send(mut writer: TcpStream) -> Result<JoinHandle<()>, LessonError> {
    spawn(move || {
        while writer.write_all(&[b'x'; 4096]).is_ok() {
            thread::sleep(TICK);
        }
    })
}

/// Reads 8 KiB, waits as long as it is told to, and so on.
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

/// The time between two reads, which changes while the experiment runs. The reader ends when it alone still has it.
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

/// Looks at both ends, again and again. Dropping it ends the experiment's threads.
struct Watcher<'a> {
    writer: &'a TcpStream,
    reader: &'a TcpStream,
    /// Bytes that the receiver's program has read.
    bytes_read: &'a AtomicU64,
    started: Instant,
}

impl Watcher<'_> {
    /// Looks every few milliseconds until `done`, which is also told the seconds for which the window has been 0. Gives up
    /// after a while: then the observations show what was seen instead.
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
        // Both threads end at their next call; there is nothing else to do about an error.
        let _ = self.writer.shutdown(Shutdown::Both);
        let _ = self.reader.shutdown(Shutdown::Both);
    }
}

fn finding(slow: &[Observation], none: &[Observation], fast: &[Observation]) -> Finding {
    let while_slow = || slow.iter().chain(none);
    let closed = none.iter().rfind(|observation| observation.window == 0);
    let opened = fast.iter().find(|observation| observation.window > 0);
    let all: Vec<&Observation> = while_slow().chain(fast).collect();
    let e = Evidence {
        window_start: slow.iter().map(|observation| observation.window).max().unwrap_or(0),
        window_min: while_slow().map(|observation| observation.window).min().unwrap_or(0),
        window_reopened: fast.iter().map(|observation| observation.window).max().unwrap_or(0),
        queue_at_zero: closed.map_or(0, |observation| observation.queue),
        read_until_open: closed.zip(opened).map_or(0, |(zero, open)| open.bytes_read - zero.bytes_read),
        cwnd_at_zero: closed.map_or(0, |observation| observation.cwnd),
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
        .describe("While the program reads slowly its queue fills and the window falls to 0. When it reads again, the window opens.")
        .series(Series::new("receive queue", Ink::Orange, Stroke::Solid, points(|look| look.queue as f64)))
        .series(Series::new("window", Ink::Blue, Stroke::Dashed, points(|look| f64::from(look.window))))
        .phase(0.0, began(none), "reads slowly")
        .phase(began(none), began(fast), "not at all")
        .phase(began(fast), end, "reads fast");
    let finding = Finding::new(&e)
        .chart(chart)
        .table(
            Table::new(["", "bytes"])
                .row(["window in the beginning", &Bytes(e.window_start.into()).to_string()])
                .row(["smallest window, reading slowly or not at all", &Bytes(e.window_min.into()).to_string()])
                .row(["unread at the receiver then", &Bytes(e.queue_at_zero).to_string()])
                .row(["congestion window (cwnd) at that moment", &Bytes(e.cwnd_at_zero).to_string()])
                .row(["window when it read faster", &Bytes(e.window_reopened.into()).to_string()]),
        )
        .explain(format!(
            "With each segment the receiver's kernel says how much more it will take. In the beginning that was {}. The \
             program read less than came in, so {} piled up unread, and the window fell to {}: \"send nothing\". The \
             sender's kernel obeyed, its own buffer filled up, and write waited.",
            Bytes(e.window_start.into()),
            Bytes(e.queue_at_zero),
            Bytes(e.window_min.into()),
        ))
        .explain(format!(
            "For {:.1} s the program read nothing, and nothing moved. Then it read fast, and after {} the window was seen open. \
             It does not open for every byte: that would make the sender send a few bytes at a time (\"silly window\"), so \
             a receiver announces room when it is worth a segment at least. And it went on to open, to {}, as the program read \
             faster than the sender sent and its queue emptied.",
            e.zero_seconds,
            Bytes(e.read_until_open),
            Bytes(e.window_reopened.into()),
        ))
        .explain(format!(
            "This is flow control: it protects the receiver. Congestion control is another limit, the sender's own guess of \
             what the network bears, and at that moment it would have allowed {}. The sender keeps to the smaller of the \
             two. Nothing was lost here. While the window is 0 the sender asks now and then whether it still is (window probes), \
             and some kernels and tools count these among the \"retransmits\": a number there is no proof of loss.",
            Bytes(e.cwnd_at_zero),
        ))
        .claim(
            "the window falls to 0",
            e.window_min == 0 && e.window_start > 0,
            format!("from {} to {}", Bytes(e.window_start.into()), Bytes(e.window_min.into())),
        )
        .claim(
            "and opens again when the program reads",
            e.window_reopened > 0 && opened.is_some(),
            format!("{}", Bytes(e.window_reopened.into())),
        )
        .claim(
            "congestion control would have allowed more all the while",
            e.cwnd_at_zero > 0,
            format!("cwnd {}", Bytes(e.cwnd_at_zero)),
        );
    match e.window_min {
        0 => finding.measured('b'),
        _ => finding,
    }
}

/// Small buffers at both ends, so that the window moves in steps that one can see.
const SMALL: Clamp = Clamp {
    client_send: Some(64 << 10),
    server_receive: Some(128 << 10),
    // With loopback's own segments of 64 KiB the window would move in leaps of that size.
    segment: Some(ETHERNET),
    ..Clamp::NONE
};

/// Between two writes, and between two fast reads.
const TICK: Duration = Duration::from_millis(4);

/// Between two slow reads.
const SLOW: Duration = Duration::from_millis(30);

/// For how long the window is watched at 0, in seconds, before the program reads again.
const CLOSED_FOR: f64 = 0.7;

/// For how long the faster reading is watched, in seconds.
const OPEN_FOR: f64 = 0.8;

/// After so many seconds what a phase waits for is not going to come.
const GIVE_UP: f64 = 4.0;
