//! `send-buffer`: between the program and the operating system there is a buffer with a limit. A blocking write waits
//! until there is room: backpressure for free. A non-blocking one takes what fits and says so; then the program must wait.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_record::{Bytes, Seconds};
use serde::Serialize;

use crate::kit::measure::{Clamp, TIMEOUT, connection, connection_with, is_not_now, until};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "send-buffer",
    idea: "a blocking write waits; a non-blocking one takes a part",
    question: Question {
        text: "A program offers 8 MiB to a non-blocking socket in a single write. The peer reads nothing. What does write \
               return?",
        choices: &[
            "8 MiB: it takes everything, and sends it later",
            "less than 8 MiB: it takes a part",
            "an error: it takes all or nothing",
        ],
    },
    code: Code {
        source: include_str!("send_buffer.rs"),
        node: Some(
            "// Node takes everything, and queues in the process what the kernel does not take: a queue without a limit.\n\
             // It tells when that has begun; the program must listen:\n\
             if (!socket.write(data)) {\n    \
                 await once(socket, 'drain');        // or stop reading from whoever gives us data\n\
             }",
        ),
    },
    next: &[
        ("echoctl lesson backpressure", "servers that wait for the write, and one that does not"),
        ("yes | sleep 5", "the same in a pipe: yes is held back when 64 KiB are full"),
        ("echoctl serve --io threads", "a server with blocking writes, a thread a connection"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// To a non-blocking socket, in one call.
    offered: usize,
    taken: usize,
    /// Until it refused.
    taken_in_all: usize,
    would_block: bool,
    /// How long a blocking write had waited when the peer began to read.
    blocked_seconds: f64,
    /// What the peer then read before the writer went on; both sockets have buffers of 64 KiB.
    drained_before_wake: u64,
    /// What the blocking writer's kernels held.
    held_when_blocked: u64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    LessonError::unless_left(MEMORY)?;
    let offer = if setting.sabotage { with_a_reader()? } else { without_waiting()? };
    let blocked = waiting()?;
    Ok(finding(&Evidence {
        offered: OFFERED,
        taken: offer.taken,
        taken_in_all: offer.in_all,
        would_block: offer.would_block,
        blocked_seconds: blocked.seconds,
        drained_before_wake: blocked.drained,
        held_when_blocked: blocked.held,
    }))
}

// [show]
/// A non-blocking socket: the first write takes what fits, the next takes nothing and says "would block".
fn without_waiting() -> Result<Offer, LessonError> {
    let (writer, _peer) = connection()?;
    writer.set_nonblocking(true)?;
    let taken = (&writer).write(&vec![b'x'; OFFERED])?; // a short write
    let mut in_all = taken;
    let next = loop {
        match (&writer).write(&[b'x'; 1 << 16]) {
            Ok(more) => in_all += more, // the kernel has found a little more room
            Err(error) => break error,
        }
    };
    Ok(Offer { taken, in_all, would_block: is_not_now(&next) })
}

/// A blocking socket: the thread sleeps in write until the peer has read enough.
fn waiting() -> Result<Blocked, LessonError> {
    let (mut writer, mut peer) = connection_with(SMALL)?;
    let written = Arc::new(AtomicU64::new(0));
    let progress = written.clone();
    spawn(move || {
        while writer.write_all(&[b'x'; CHUNK]).is_ok() {
            // no queue, no limit to think of: it just waits
            progress.fetch_add(CHUNK as u64, Ordering::Relaxed);
        }
    })?;
    let (held, since) = quiet(&written)?; // nothing written for half a second
    let seconds = since.elapsed().as_secs_f64();

    let mut drained = 0;
    while written.load(Ordering::Relaxed) == held && drained < held {
        drained += peer.read(&mut [0; CHUNK])? as u64;
        thread::sleep(LET_IT_WAKE);
    }
    Ok(Blocked { seconds, drained, held })
}
// [/show]

/// What became of an offer to a socket that does not wait.
struct Offer {
    taken: usize,
    in_all: usize,
    would_block: bool,
}

/// What was seen of a writer that blocks.
struct Blocked {
    seconds: f64,
    drained: u64,
    held: u64,
}

/// Waits until a counter has stood still for [`QUIET`]. Returns it, and since when. A shorter time would mistake the
/// 40 ms of a delayed acknowledgement for the end.
fn quiet(counter: &AtomicU64) -> Result<(u64, Instant), LessonError> {
    let mut last = (counter.load(Ordering::Relaxed), Instant::now());
    until("the writer stands still", || {
        let now = counter.load(Ordering::Relaxed);
        if now != last.0 {
            last = (now, Instant::now());
        }
        Ok(Some(last).filter(|(written, since)| *written > 0 && since.elapsed() >= QUIET))
    })
}

/// The sabotage: a peer that reads, and a writer that waits for it. Then everything is taken.
fn with_a_reader() -> Result<Offer, LessonError> {
    let (mut writer, mut peer) = connection()?;
    let reader = spawn(move || peer.read_exact(&mut vec![0; OFFERED]))?;
    writer.set_write_timeout(Some(TIMEOUT))?;
    writer.write_all(&vec![b'x'; OFFERED])?;
    match reader.join() {
        Ok(Ok(())) => Ok(Offer { taken: OFFERED, in_all: OFFERED, would_block: false }),
        _ => Err(LessonError::Part("the reader failed".to_owned())),
    }
}

fn finding(e: &Evidence) -> Finding {
    let finding = Finding::new(e)
        .table(
            Table::new(["non-blocking", ""])
                .row(["offered", &Bytes(e.offered as u64).to_string()])
                .row(["taken by the first write", &Bytes(e.taken as u64).to_string()])
                .row(["taken until it refused", &Bytes(e.taken_in_all as u64).to_string()])
                .row(["then", if e.would_block { "\"would block\"" } else { "no refusal" }]),
        )
        .table(
            Table::new(["blocking, buffers of 64 KiB", ""])
                .row(["taken before write waited", &Bytes(e.held_when_blocked).to_string()])
                .row(["waited, with nobody reading", &Seconds(e.blocked_seconds).to_string()])
                .row(["read by the peer before write went on", &Bytes(e.drained_before_wake).to_string()]),
        )
        .explain(format!(
            "Of {} the kernel took {}: a short write, and no error. When its send buffer was full it said \"would block\". \
             Who writes without looking at the number loses the rest; who keeps the rest has a queue of its own, and must \
             give it a limit.",
            Bytes(e.offered as u64),
            Bytes(e.taken as u64),
        ))
        .explain(format!(
            "A blocking write needs no such care. The thread took {} to the kernel, then slept in write for {}, until the \
             peer began to read. That is backpressure, effortless: the program cannot produce while it sleeps. It costs a \
             thread and its stack for each connection. An event loop has one thread for all, must not sleep in write, and \
             therefore must wait for completion by itself: by awaiting the write, or by pausing its reading.",
            Bytes(e.held_when_blocked),
            Seconds(e.blocked_seconds),
        ))
        .explain(format!(
            "The writer did not go on with the first byte that was read, but after {}: the kernel wakes it when a good part \
             is free, so that it does not wake for every little bit. By default the buffers are megabytes; here they were \
             set to 64 KiB, so that one can watch.",
            Bytes(e.drained_before_wake),
        ))
        .claim(
            "a part is taken, then the socket would block",
            0 < e.taken && e.taken < e.offered && e.would_block,
            format!(
                "{} of {} taken, then {}",
                Bytes(e.taken as u64),
                Bytes(e.offered as u64),
                if e.would_block { "\"would block\"" } else { "no refusal" },
            ),
        )
        .claim(
            "a blocking write waits while nobody reads",
            e.blocked_seconds >= 0.5,
            format!("waited {}", Seconds(e.blocked_seconds)),
        )
        .claim(
            "it goes on when the peer has read enough",
            e.drained_before_wake > 0 && e.drained_before_wake < e.held_when_blocked,
            format!("{} read of {}", Bytes(e.drained_before_wake), Bytes(e.held_when_blocked)),
        );
    match e.taken {
        taken if taken == e.offered => finding.measured('a'),
        0 => finding.measured('c'),
        _ => finding.measured('b'),
    }
}

/// More than the kernel's send buffer grows to (4 MiB by default).
const OFFERED: usize = 8 << 20;

/// Bytes of memory that must be left: what is offered, and under sabotage also what is read, each in one piece.
const MEMORY: u64 = 2 * OFFERED as u64;

/// Written and read at a time by the blocking pair.
const CHUNK: usize = 4096;

/// Small buffers at both ends, since the default ones are megabytes and move in jumps.
const SMALL: Clamp = Clamp { client_send: Some(64 << 10), server_receive: Some(64 << 10), ..Clamp::NONE };

/// A writer that has written nothing for so long is waiting.
const QUIET: Duration = Duration::from_millis(600);

/// Given to the writer after each read, so that what it does is seen before the next.
const LET_IT_WAKE: Duration = Duration::from_millis(10);
