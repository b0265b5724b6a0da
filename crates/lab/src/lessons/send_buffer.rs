//! `send-buffer`: between the program and the network there is a buffer with a limit. A blocking write waits for free
//! space, which is backpressure for free. A non-blocking write accepts what fits and returns; then the program must wait.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_record::{Bytes, Seconds};
use echoctl_report::Table;
use serde::Serialize;

use crate::kit::loopback::{Clamp, TIMEOUT, connection, connection_with, is_not_now, settled};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, join, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "send-buffer",
    idea: "a blocking write waits; a non-blocking write is partial",
    question: Question {
        text: "A program passes 8 MiB to a non-blocking socket in a single write. The peer reads nothing. What does write \
               return?",
        choices: &[
            "8 MiB: it accepts everything and sends it later",
            "less than 8 MiB: it accepts a part (a short write)",
            "an error: it accepts all or nothing",
        ],
    },
    code: Code {
        source: include_str!("send_buffer.rs"),
        node: Some(
            "// Node accepts everything, and queues in the process what the kernel does not accept: an unbounded queue.\n\
             // The return value tells you when it does; the program must check it:\n\
             if (!socket.write(data)) {\n    \
                 await once(socket, 'drain');        // or pause reading from the data's source\n\
             }",
        ),
    },
    next: &[
        ("echoctl lesson backpressure", "servers that wait for the write, and one that does not"),
        ("yes | sleep 5", "the same in a pipe: yes blocks when the pipe's 64 KiB are full"),
        ("echoctl serve --io threads", "a server with blocking writes and one thread per connection"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// Bytes passed to a non-blocking socket in one call, and bytes accepted.
    offered: Bytes,
    taken: Bytes,
    /// Bytes accepted until a write returned `EWOULDBLOCK`.
    taken_in_all: Bytes,
    would_block: bool,
    /// Seconds for which a blocking write had blocked when the peer began to read.
    blocked_seconds: Seconds,
    /// Bytes that the peer then read before the writer continued; both sockets have buffers of 64 KiB.
    drained_before_wake: Bytes,
    /// Bytes buffered in both kernels while the writer was blocked.
    held_when_blocked: Bytes,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    LessonError::unless_left(MEMORY)?;
    let offer = if setting.sabotage { with_a_reader()? } else { without_waiting()? };
    let blocked = waiting()?;
    Ok(finding(&Evidence {
        offered: Bytes(OFFERED as u64),
        taken: Bytes(offer.taken as u64),
        taken_in_all: Bytes(offer.in_all as u64),
        would_block: offer.would_block,
        blocked_seconds: Seconds(blocked.seconds),
        drained_before_wake: Bytes(blocked.drained),
        held_when_blocked: Bytes(blocked.held),
    }))
}

// [show]
/// A non-blocking socket: the first write accepts what fits; a later one accepts nothing and returns `WouldBlock`.
fn without_waiting() -> Result<Offer, LessonError> {
    let (writer, _peer) = connection()?;
    writer.set_nonblocking(true)?;
    let taken = (&writer).write(&vec![b'x'; OFFERED])?; // a short write
    let mut in_all = taken;
    let next = loop {
        match (&writer).write(&[b'x'; 1 << 16]) {
            Ok(more) => in_all += more, // the kernel accepted a little more
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
            // no queue and no limit to manage: the thread just waits
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

/// The result of writing to a non-blocking socket.
struct Offer {
    taken: usize,
    in_all: usize,
    would_block: bool,
}

/// The result of writing to a blocking socket.
struct Blocked {
    seconds: f64,
    drained: u64,
    held: u64,
}

/// Waits until a counter has not changed for [`QUIET`]. Returns its value, and the time of the last change. A shorter time
/// would mistake the 40 ms of a delayed ACK for the end.
fn quiet(counter: &AtomicU64) -> Result<(u64, Instant), LessonError> {
    let written = || Some(counter.load(Ordering::Relaxed)).filter(|&written| written > 0);
    settled("the writer blocks", QUIET, || Ok(written()))
}

/// The sabotage: a peer that reads, and a writer that waits for it, so that everything is accepted.
fn with_a_reader() -> Result<Offer, LessonError> {
    let (mut writer, mut peer) = connection()?;
    let reader = spawn(move || peer.read_exact(&mut vec![0; OFFERED]))?;
    writer.set_write_timeout(Some(TIMEOUT))?;
    writer.write_all(&vec![b'x'; OFFERED])?;
    join(reader)??;
    Ok(Offer { taken: OFFERED, in_all: OFFERED, would_block: false })
}

fn finding(e: &Evidence) -> Finding {
    let then = if e.would_block { "EWOULDBLOCK" } else { "no error" };
    let finding = Finding::new(e)
        .table(
            Table::new("", ["non-blocking", ""])
                .row(["passed to the first write", &e.offered.to_string()])
                .row(["accepted by the first write", &e.taken.to_string()])
                .row(["accepted in total", &e.taken_in_all.to_string()])
                .row(["then", then]),
        )
        .table(
            Table::new("", ["blocking, both buffers set to 64 KiB", ""])
                .row(["accepted before write blocked", &e.held_when_blocked.to_string()])
                .row(["blocked while the peer did not read", &e.blocked_seconds.to_string()])
                .row(["read by the peer before write resumed", &e.drained_before_wake.to_string()]),
        )
        .explain("In short: the send buffer has a limit. Beyond it a write either blocks or is partial.")
        .explain(format!(
            "Of {} the kernel accepted {}: a short write without an error. When the send buffer was full, write returned \
             EWOULDBLOCK (in Rust: WouldBlock). Ignore the return value and you lose the rest; keep the rest and you have a \
             queue of your own, which needs a limit.",
            e.offered, e.taken,
        ))
        .explain(format!(
            "A blocking write needs no such care. The thread wrote {}, then write blocked for {}, until the peer began to read. \
             That is backpressure for free: the program cannot produce while it is blocked. The price is one thread with its \
             stack per connection. An event loop has one thread for all connections and must not block in write. So it has to \
             wait in its own code: by awaiting the write, or by pausing its reads.",
            e.held_when_blocked, e.blocked_seconds,
        ))
        .explain(format!(
            "The writer did not resume at the first byte read, but after {}: the kernel wakes it only when a good part \
             of the buffer is free, to avoid many small wake-ups. In the first experiment the buffers had their default \
             sizes (megabytes). The second sets the send buffer and the peer's receive buffer to 64 KiB each, to make \
             the effect visible; Linux doubles each, so about 256 KiB fit.",
            e.drained_before_wake,
        ))
        .claim(
            "a non-blocking write is partial, then it would block",
            Bytes(0) < e.taken && e.taken < e.offered && e.would_block,
            format!("{} of {} accepted, then {then}", e.taken, e.offered),
        )
        .claim(
            "a blocking write blocks while the peer does not read",
            e.blocked_seconds >= Seconds(0.5),
            format!("for {}", e.blocked_seconds),
        )
        .claim(
            "it resumes when the peer has read enough",
            e.drained_before_wake > Bytes(0) && e.drained_before_wake < e.held_when_blocked,
            format!("after {} of {}", e.drained_before_wake, e.held_when_blocked),
        );
    match e.taken {
        taken if taken == e.offered => finding.measured('a'),
        Bytes(0) => finding.measured('c'),
        _ => finding.measured('b'),
    }
}

/// Bytes passed to write: more than the kernel's send buffer grows to (4 MiB by default).
const OFFERED: usize = 8 << 20;

/// Bytes of memory that must be available: the data written and, under sabotage, the data read.
const MEMORY: u64 = 2 * OFFERED as u64;

/// Bytes per write and per read of the blocking pair.
const CHUNK: usize = 4096;

/// Small buffers at both ends, because the default ones are megabytes and move in jumps.
const SMALL: Clamp = Clamp { client_send: Some(64 << 10), server_receive: Some(64 << 10), ..Clamp::NONE };

/// A writer without progress for this long is blocked.
const QUIET: Duration = Duration::from_millis(600);

/// Time for the writer to wake after each read, so that its progress is visible before the next read.
const LET_IT_WAKE: Duration = Duration::from_millis(10);
