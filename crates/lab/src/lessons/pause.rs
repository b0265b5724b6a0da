//! `pause`: a server with a reply queue pauses reading at the high watermark and resumes at the low watermark. Two watermarks
//! give a sawtooth; with a single limit it pauses and resumes at almost every read.
//!
//! The server below combines the reply queue and the decision of `echoctl serve --backpressure watermark` with a short loop.
//! The sockets' own buffers are small, because otherwise the kernel would accept the whole queue at once.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoctl_record::{Bytes, Seconds};
use echoctl_report::{Chart, Ink, Series, Stroke, Table, Unit};
use echoctl_server::{Action as Decision, Backpressure, Policy, Queued, ReplyQueue};
use serde::Serialize;

use crate::kit::loopback::{Clamp, TIMEOUT, connection_with, is_not_now};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, join, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "pause",
    idea: "pause and resume at high and low watermark: the sawtooth",
    question: Question {
        text: "A client sends 4 MiB per second and reads 2 MiB per second. The server queues the replies. It pauses reading \
               when 1 MiB is queued (the high watermark), and resumes when the queue has fallen to 256 KiB (the low watermark). \
               What does the queue length do over time?",
        choices: &[
            "it rises to 1 MiB and stays there",
            "it goes up and down between the two watermarks",
            "it rises without limit",
        ],
    },
    code: Code {
        source: include_str!("pause.rs"),
        node: Some(
            "socket.on('data', data => {\n    \
                 if (!out.write(reply(data))) {        // the queue has reached the high watermark\n        \
                     socket.pause();                   // stop reading: TCP slows the sender down\n        \
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
        ("echoctl lesson backpressure", "servers with and without backpressure, compared by memory"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    queue_limit: Bytes,
    resume_at: Bytes,
    pauses: u64,
    resumes: u64,
    /// The longest that the queue was, in bytes.
    queue_peak: Bytes,
    /// The mean time from pause to pause.
    tooth_seconds: Seconds,
    received: Bytes,
    replied: Bytes,
    /// The same work with a single limit: the number of pauses.
    pauses_with_one_limit: u64,
}

/// What the server decided.
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

/// The course of one server.
struct Trace {
    moments: Vec<Moment>,
    peak: usize,
    received: u64,
    replied: u64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    // Sabotage: the client reads as fast as it sends, so that the queue stays empty.
    let read_size = if setting.sabotage { CHUNK } else { CHUNK / 2 };
    let one = spawn(move || run_server(Policy::Bounded { limit: LIMIT }, read_size))?;
    let two = run_server(Policy::Watermark { limit: LIMIT, resume_at: RESUME_AT }, read_size)?;
    Ok(finding(&two, &join(one)??))
}

/// Runs a client and a server with this policy.
fn run_server(policy: Policy, read_size: usize) -> Result<Trace, LessonError> {
    let (client, server) = connection_with(SMALL)?;
    let writer = pace_writes(client.try_clone()?)?;
    let reader = pace_reads(client.try_clone()?, read_size)?;
    let trace = serve(&server, policy);
    // The client's threads stop when the connection is shut down, whether or not the server succeeded.
    let _ = client.shutdown(Shutdown::Both);
    for thread in [writer, reader] {
        join(thread)?;
    }
    trace
}

// [show]
/// The server: write what the socket accepts, decide whether to read, then read or pause.
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
            let mut buffer = [0; CHUNK];
            if let Some(read) = now(read_from(socket, &mut buffer))? {
                queue.append(&buffer[..read]).map_err(io::Error::from)?; // an echo: the reply is the input
                trace.received += read as u64;
                trace.peak = trace.peak.max(queue.len());
                continue;
            }
        }
        if started.elapsed() > TIMEOUT {
            break;
        }
        thread::sleep(Duration::from_millis(1)); // nothing to do; a real server waits for events here
    }
    Ok(trace)
}
// [/show]

/// Writes at a steady rate. Does not catch up after it was blocked; otherwise the queue would rise in a jump.
fn pace_writes(mut client: TcpStream) -> Result<JoinHandle<()>, LessonError> {
    spawn(move || {
        while client.write_all(&[b'x'; CHUNK]).is_ok() {
            thread::sleep(TICK);
        }
    })
}

/// Reads `size` bytes at a time, at a steady rate.
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

fn read_from(mut socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    match socket.read(buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

/// The result of a call, or `None` if it would block.
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
        queue_limit: Bytes(LIMIT as u64),
        resume_at: Bytes(RESUME_AT as u64),
        pauses: pauses.len() as u64,
        resumes: resumes.len() as u64,
        queue_peak: Bytes(two.peak as u64),
        tooth_seconds: Seconds(
            pauses.last().zip(pauses.first()).map_or(0.0, |(last, first)| (last - first) / spans),
        ),
        received: Bytes(two.received),
        replied: Bytes(two.replied),
        pauses_with_one_limit: times(one, Action::Pause).len() as u64,
    };
    let points =
        |trace: &Trace| trace.moments.iter().map(|moment| (moment.t, moment.queued as f64)).collect();
    let chart = Chart::lines("The reply queue", Unit::Bytes)
        .describe("With two watermarks the queue goes up and down between them; with one limit it stays at the limit.")
        .series(Series::new("two watermarks", Ink::Blue, Stroke::Solid, points(two)))
        .series(Series::new("one limit", Ink::Orange, Stroke::Dotted, points(one)))
        .limit(LIMIT as f64, "pause")
        .limit(RESUME_AT as f64, "resume");
    let finding = Finding::new(&e)
        .chart(chart)
        .table(
            Table::new("", ["", "two watermarks", "one limit"])
                .row(["pauses".to_owned(), e.pauses.to_string(), e.pauses_with_one_limit.to_string()])
                .row(["longest queue".to_owned(), e.queue_peak.to_string(), Bytes(one.peak as u64).to_string()])
                .row(["received".to_owned(), e.received.to_string(), Bytes(one.received).to_string()])
                .row(["replied".to_owned(), e.replied.to_string(), Bytes(one.replied).to_string()]),
        )
        .explain("In short: pause at a high watermark and resume at a low one, and memory stays bounded and pauses stay rare.")
        .explain(format!(
            "While the server was reading, it received 4 MiB per second but could send only 2 MiB per second, so the queue grew. At {} it paused \
             reading. Further input stayed in the kernel's buffers, and when these were full, the client's write blocked. The \
             queue drained at 2 MiB per second, and at {} the server resumed reading. It paused {} times and resumed {} times: \
             one tooth every {}.",
            e.queue_limit, e.resume_at, e.pauses, e.resumes, e.tooth_seconds,
        ))
        .explain(format!(
            "On average the client could send only as fast as it read, although no message contained a rate. That is \
             backpressure. And the queue stayed bounded: its greatest length was {}, and it can exceed its limit by at \
             most one read.",
            e.queue_peak,
        ))
        .explain(format!(
            "Why two watermarks? With one limit, the server resumed as soon as any space was free and paused again \
             immediately: it paused {} times instead of {} for the same work. Each pause and each resume costs a call \
             into the event loop, or with threads a context switch. The gap between the two sets how much work is done between a pause \
             and a resume. The low watermark also keeps the writer busy until new input arrives.",
            e.pauses_with_one_limit, e.pauses,
        ))
        .claim(
            "the server pauses and resumes repeatedly",
            e.pauses >= 3 && e.resumes >= 2,
            format!("{} pauses, {} resumes", e.pauses, e.resumes),
        )
        .claim(
            "the queue reaches its limit and exceeds it by at most one read",
            (LIMIT * 8 / 10..=LIMIT + CHUNK).contains(&two.peak),
            format!("longest {}, limit {}", e.queue_peak, e.queue_limit),
        )
        .claim(
            "with one limit it pauses far more often",
            e.pauses_with_one_limit > 5 * e.pauses.max(1),
            format!("one limit {} pauses, two watermarks {}", e.pauses_with_one_limit, e.pauses),
        );
    if e.pauses >= 3 { finding.measured('b') } else { finding }
}

/// High watermark in bytes: reading pauses.
const LIMIT: usize = 1 << 20;

/// Low watermark in bytes: reading resumes.
const RESUME_AT: usize = 256 << 10;

/// Bytes received in total: enough for four teeth.
const TOTAL: u64 = 8 << 20;

/// Bytes per write of the client, and maximum per read of the server.
const CHUNK: usize = 16 << 10;

/// Time between two writes, and between two reads: 16 KiB every 4 ms are 4 MiB per second.
const TICK: Duration = Duration::from_millis(4);

/// Small buffers, so that the queue inside the server is the one that changes.
const SMALL: Clamp = Clamp {
    client_send: Some(32 << 10),
    client_receive: Some(32 << 10),
    server_send: Some(32 << 10),
    server_receive: Some(32 << 10),
    segment: None,
};
