//! `pause`: a server with a reply queue pauses reading when the queue is full and resumes when it has emptied to a second
//! mark. Two marks make the saw-tooth; with one mark it stops and goes at every read.
//!
//! The server below is the reply queue and the decision of `echoctl serve --backpressure watermark`, with a loop that can
//! be read at a glance. The sockets' own buffers are small, else the kernel takes the whole queue at once.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoctl_record::{Bytes, Seconds};
use echoctl_report::{Chart, Ink, Series, Stroke, Unit};
use echoctl_server::{Action as Decision, Backpressure, Policy, Queued, ReplyQueue};
use serde::Serialize;

use crate::kit::measure::{Clamp, TIMEOUT, connection_with, is_not_now};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "pause",
    idea: "pause and resume reading at two marks: the saw-tooth",
    question: Question {
        text: "A client sends 4 MiB a second and reads 2 MiB a second. The server queues the replies, pauses reading when \
               1 MiB is queued, and resumes when the queue has fallen to 256 KiB. How does the length of the queue go on?",
        choices: &[
            "it rises to 1 MiB and stays there",
            "up and down between the two marks",
            "it rises without end",
        ],
    },
    code: Code {
        source: include_str!("pause.rs"),
        node: Some(
            "socket.on('data', data => {\n    \
                 if (!out.write(reply(data))) {        // the queue has reached the high-water mark\n        \
                     socket.pause();                   // stop reading: TCP holds the sender back\n        \
                     out.once('drain', () => socket.resume());\n    \
                 }\n\
             });",
        ),
    },
    next: &[
        (
            "echoctl serve --backpressure watermark --queue-limit 1MiB --resume-at 256KiB",
            "the same policy in the full server",
        ),
        ("echoctl flood --rate 4MiB --read-rate 2MiB", "in another terminal: a client like this one"),
        ("echoctl lesson backpressure", "the ways compared by their memory"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    queue_limit: u64,
    resume_at: u64,
    pauses: u64,
    resumes: u64,
    /// The most that was queued.
    queue_peak: u64,
    /// The mean length of a tooth, from pause to pause.
    tooth_seconds: f64,
    received: u64,
    replied: u64,
    /// The same work with a single mark: how often it paused.
    pauses_with_one_limit: u64,
}

/// Something that the server did.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Action {
    Pause,
    Resume,
    Nothing,
}

/// The queue at one moment.
#[derive(Debug, Clone, Copy)]
struct Moment {
    t: f64,
    queued: usize,
    action: Action,
}

/// What one server did.
struct Trace {
    moments: Vec<Moment>,
    peak: usize,
    received: u64,
    replied: u64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    // Sabotage: the client reads as fast as it sends, so that nothing is ever queued.
    let read_size = if setting.sabotage { CHUNK } else { CHUNK / 2 };
    let one = spawn(move || run_server(Policy::Bounded { limit: LIMIT }, read_size))?;
    let two = run_server(Policy::Watermark { limit: LIMIT, resume_at: RESUME_AT }, read_size)?;
    let one = one.join().map_err(|_| LessonError::Part("a server failed".to_owned()))??;
    Ok(finding(&two, &one))
}

/// Runs a client and a server with this policy.
fn run_server(policy: Policy, read_size: usize) -> Result<Trace, LessonError> {
    let (client, server) = connection_with(SMALL)?;
    let writer = pace_writes(client.try_clone()?)?;
    let reader = pace_reads(client.try_clone()?, read_size)?;
    let trace = serve(&server, policy);
    // Whatever came of it, the client's threads end with the connection.
    let _ = client.shutdown(Shutdown::Both);
    for thread in [writer, reader] {
        thread.join().map_err(|_| LessonError::Part("a client failed".to_owned()))?;
    }
    trace
}

// [show]
/// The server: write what can be written, ask whether to read, and read or do not.
fn serve(socket: &TcpStream, policy: Policy) -> Result<Trace, LessonError> {
    socket.set_nonblocking(true)?;
    let (mut queue, mut backpressure) = (ReplyQueue::default(), Backpressure::new(policy));
    let mut trace = Trace { moments: Vec::new(), peak: 0, received: 0, replied: 0 };
    let (started, mut paused) = (Instant::now(), false);
    while trace.received < TOTAL {
        while let Some(written) = now(write_to(socket, queue.front()))? {
            queue.consume(written);
            trace.replied += written as u64;
        }
        let queued = Queued { own: queue.len(), all: queue.len() as u64 };
        let action = match backpressure.decide(queued, Instant::now()) {
            Decision::Read if paused => Action::Resume,
            Decision::Wait if !paused => Action::Pause,
            _ => Action::Nothing,
        };
        paused = (paused || action == Action::Pause) && action != Action::Resume;
        trace.moments.push(Moment { t: started.elapsed().as_secs_f64(), queued: queue.len(), action });
        if !paused {
            let mut room = [0; CHUNK];
            if let Some(read) = now(read_from(socket, &mut room))? {
                queue.append(&room[..read]).map_err(io::Error::from)?; // an echo: the reply is what was read
                trace.received += read as u64;
                trace.peak = trace.peak.max(queue.len());
                continue;
            }
        }
        if started.elapsed() > TIMEOUT {
            break;
        }
        thread::sleep(Duration::from_millis(1)); // nothing to do: a real server waits for events
    }
    Ok(trace)
}
// [/show]

/// Writes at a steady pace. After being held back it does not make up for it, or the queue would rise at once.
fn pace_writes(mut client: TcpStream) -> Result<JoinHandle<()>, LessonError> {
    spawn(move || {
        while client.write_all(&[b'x'; CHUNK]).is_ok() {
            thread::sleep(TICK);
        }
    })
}

/// Reads `size` bytes at a steady pace.
fn pace_reads(mut client: TcpStream, size: usize) -> Result<JoinHandle<()>, LessonError> {
    spawn(move || {
        while client.read_exact(&mut vec![0; size]).is_ok() {
            thread::sleep(TICK);
        }
    })
}

fn write_to(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { socket.write(bytes) }
}

fn read_from(mut socket: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    match socket.read(room)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

/// What a call gave, or `None` where it would have to wait.
fn now(called: io::Result<usize>) -> Result<Option<usize>, LessonError> {
    match called {
        Ok(count) => Ok(Some(count)),
        Err(error) if is_not_now(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn finding(two: &Trace, one: &Trace) -> Finding {
    let times = |trace: &Trace, wanted| -> Vec<f64> {
        trace.moments.iter().filter(|moment| moment.action == wanted).map(|moment| moment.t).collect()
    };
    let (pauses, resumes) = (times(two, Action::Pause), times(two, Action::Resume));
    let spans = pauses.len().saturating_sub(1).max(1) as f64;
    let e = Evidence {
        queue_limit: LIMIT as u64,
        resume_at: RESUME_AT as u64,
        pauses: pauses.len() as u64,
        resumes: resumes.len() as u64,
        queue_peak: two.peak as u64,
        tooth_seconds: pauses.last().zip(pauses.first()).map_or(0.0, |(last, first)| (last - first) / spans),
        received: two.received,
        replied: two.replied,
        pauses_with_one_limit: times(one, Action::Pause).len() as u64,
    };
    let points =
        |trace: &Trace| trace.moments.iter().map(|moment| (moment.t, moment.queued as f64)).collect();
    let chart = Chart::lines("The reply queue", Unit::Bytes)
        .describe("With two marks the queue goes up and down between them; with one it stays at the limit.")
        .series(Series::new("two marks", Ink::Blue, Stroke::Solid, points(two)))
        .series(Series::new("one mark", Ink::Orange, Stroke::Dotted, points(one)))
        .limit(LIMIT as f64, "pause")
        .limit(RESUME_AT as f64, "resume");
    let finding = Finding::new(&e)
        .chart(chart)
        .table(
            Table::new(["", "two marks", "one mark"])
                .row(["paused".to_owned(), e.pauses.to_string(), e.pauses_with_one_limit.to_string()])
                .row(["most queued".to_owned(), Bytes(e.queue_peak).to_string(), Bytes(one.peak as u64).to_string()])
                .row(["received".to_owned(), Bytes(e.received).to_string(), Bytes(one.received).to_string()])
                .row(["replied".to_owned(), Bytes(e.replied).to_string(), Bytes(one.replied).to_string()]),
        )
        .explain(format!(
            "The server read 4 MiB a second and could reply 2, so the queue rose. At {} it paused reading. What the client \
             sent then stayed in the kernel's buffers, and when these were full the client's write waited. The queue \
             emptied at 2 MiB a second, and at {} the server read again: {} pauses and {} resumes, a tooth every {}.",
            Bytes(e.queue_peak),
            Bytes(e.resume_at),
            e.pauses,
            e.resumes,
            Seconds(e.tooth_seconds),
        ))
        .explain(format!(
            "On average the client sent just as fast as it read, without being told a number: that is what backpressure \
             does. And the queue never held more than {}: its limit and one read.",
            Bytes(e.queue_peak),
        ))
        .explain(format!(
            "Why two marks? With one, the server read whenever a byte of room was there and paused again at once: {} times \
             instead of {} in the same work. Each pause and resume is a call into the event loop, and with threads a switch. \
             The distance of the marks is how much is worth starting for; the lower one keeps the writer busy until new data \
             is there.",
            e.pauses_with_one_limit, e.pauses,
        ))
        .claim(
            "the server pauses and resumes, again and again",
            e.pauses >= 3 && e.resumes >= 2,
            format!("{} pauses, {} resumes", e.pauses, e.resumes),
        )
        .claim(
            "the queue reaches its limit and does not pass it by more than one read",
            e.queue_peak >= e.queue_limit * 8 / 10 && e.queue_peak <= e.queue_limit + CHUNK as u64,
            format!("{} of {}", Bytes(e.queue_peak), Bytes(e.queue_limit)),
        )
        .claim(
            "with one mark it pauses far more often",
            e.pauses_with_one_limit > 5 * e.pauses.max(1),
            format!("{} against {}", e.pauses_with_one_limit, e.pauses),
        );
    if e.pauses >= 3 { finding.measured('b') } else { finding }
}

/// Where reading pauses.
const LIMIT: usize = 1 << 20;

/// Where it resumes.
const RESUME_AT: usize = 256 << 10;

/// Received in all: enough for four teeth.
const TOTAL: u64 = 8 << 20;

/// Written at a time by the client, and the most the server reads at a time.
const CHUNK: usize = 16 << 10;

/// Between two writes, and between two reads: 16 KiB every 4 ms are 4 MiB a second.
const TICK: Duration = Duration::from_millis(4);

/// Small buffers, so that the queue in the server is the one that moves.
const SMALL: Clamp = Clamp {
    client_send: Some(32 << 10),
    client_receive: Some(32 << 10),
    server_send: Some(32 << 10),
    server_receive: Some(32 << 10),
    segment: None,
};
