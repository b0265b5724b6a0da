//! `duplex`: a connection is two channels, one in each direction, and both work at the same time. A client that writes
//! everything before it reads deadlocks as soon as "everything" exceeds the queues in between.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoctl_record::{Bytes, Rate};
use echoctl_report::Table;
use serde::Serialize;

use crate::kit::loopback::{TIMEOUT, connection, is_not_now};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, join, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "duplex",
    idea: "both directions at once; the deadlock of write-all-then-read",
    question: Question {
        text: "A client sends a file through a correct echo server: first it writes the whole file, then it reads everything \
               back. With a file of 1 MiB this works. What happens with 64 MiB?",
        choices: &[
            "it works, and takes 64 times as long",
            "it hangs: client and server wait for each other",
            "it finishes, but bytes are missing",
        ],
    },
    code: Code { source: include_str!("duplex.rs"), node: None },
    next: &[
        ("echoctl lesson duplex --show-code", "the client that deadlocks, and the one that does not"),
        (
            "head -c 64M /dev/zero | tr '\\0' x | fold | echoctl send | wc -c",
            "64 MiB through an echo server: send reads while it writes (first start echoctl serve)",
        ),
        ("echoctl lesson send-buffer", "the queue that filled up"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// Written completely, then read, through an echo server.
    small_bytes: Bytes,
    small_done: bool,
    large_bytes: Bytes,
    large_done: bool,
    /// Bytes of the large file written when the client hung.
    large_written: Bytes,
    /// Bytes of the large file that came back when the client read while writing.
    large_read_meanwhile: Bytes,
    /// Both ends write and read at the same time: bytes in each direction when the faster one was done.
    both_out: Bytes,
    both_in: Bytes,
    both_seconds: f64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let small_written = write_then_read(SMALL)?;
    // Sabotage: the client reads the large file while it writes.
    let large_written = if setting.sabotage { read_while_writing(LARGE)? } else { write_then_read(LARGE)? };
    let large_read_meanwhile = read_while_writing(LARGE)?;
    let (both_out, both_in, both_seconds) = both_ways()?;
    Ok(finding(&Evidence {
        small_bytes: Bytes(SMALL),
        small_done: small_written == SMALL,
        large_bytes: Bytes(LARGE),
        large_done: large_written == LARGE,
        large_written: Bytes(large_written),
        large_read_meanwhile: Bytes(large_read_meanwhile),
        both_out: Bytes(both_out),
        both_in: Bytes(both_in),
        both_seconds,
    }))
}

// [show]
/// A correct echo server: it reads again only when its last write has completed.
fn echo(mut connection: TcpStream) -> Result<JoinHandle<()>, LessonError> {
    spawn(move || {
        let mut buffer = vec![0; CHUNK];
        while let Ok(read @ 1..) = connection.read(&mut buffer) {
            if connection.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
    })
}

/// Writes everything, then reads everything. Returns the bytes written before the client hung.
fn write_then_read(total: u64) -> Result<u64, LessonError> {
    let (mut client, server) = connection()?;
    let server = echo(server)?;
    client.set_write_timeout(Some(STUCK))?;
    let mut written = 0;
    while written < total {
        match client.write(&[b'x'; CHUNK]) {
            Ok(accepted) => written += accepted as u64,
            Err(error) if is_not_now(&error) => break, // the server does not read: it waits for us to read
            Err(error) => return Err(error.into()),
        }
    }
    if written >= total {
        read_exactly(&mut client, written)?;
        written = total;
    }
    drop(client); // unblocks the server's write, which fails
    join(server)?;
    Ok(written)
}

/// The same with a second thread that reads. Returns the bytes that came back.
fn read_while_writing(total: u64) -> Result<u64, LessonError> {
    let (mut client, server) = connection()?;
    let server = echo(server)?;
    let mut reader = client.try_clone()?;
    let reader = spawn(move || read_exactly(&mut reader, total))?;
    for _ in 0..total / CHUNK as u64 {
        client.write_all(&[b'x'; CHUNK])?;
    }
    let read = join(reader)??;
    drop(client);
    join(server)?;
    Ok(read)
}
// [/show]

/// Both ends write and read at the same time. Returns the bytes in each direction when the faster one was done, and the
/// seconds.
fn both_ways() -> Result<(u64, u64, f64), LessonError> {
    let (client, server) = connection()?;
    let (out, back) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let started = Instant::now();
    let write = |mut end: TcpStream| {
        spawn(move || {
            for _ in 0..BOTH / CHUNK as u64 {
                end.write_all(&[b'x'; CHUNK])?;
            }
            end.shutdown(Shutdown::Write)
        })
    };
    let read = |mut end: TcpStream, moved: Arc<AtomicU64>| {
        spawn(move || {
            let mut buffer = vec![0; CHUNK];
            while let Ok(read @ 1..) = end.read(&mut buffer) {
                moved.fetch_add(read as u64, Ordering::Relaxed);
            }
        })
    };
    let writers = [write(client.try_clone()?)?, write(server.try_clone()?)?];
    let readers = [read(server, out.clone())?, read(client, back.clone())?];
    let moved = || (out.load(Ordering::Relaxed), back.load(Ordering::Relaxed));
    while moved().0.max(moved().1) < BOTH && started.elapsed() < TIMEOUT {
        thread::yield_now();
    }
    let (out, back) = moved();
    let seconds = started.elapsed().as_secs_f64();
    for writer in writers {
        join(writer)??;
    }
    for reader in readers {
        join(reader)?;
    }
    Ok((out, back, seconds))
}

fn read_exactly(connection: &mut TcpStream, total: u64) -> Result<u64, LessonError> {
    connection.set_read_timeout(Some(TIMEOUT))?;
    let (mut read, mut buffer) = (0, vec![0; CHUNK]);
    while read < total {
        match connection.read(&mut buffer)? {
            0 => return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()),
            some => read += some as u64,
        }
    }
    Ok(read)
}

fn finding(e: &Evidence) -> Finding {
    let done = |done| if done { "finished" } else { "hung" };
    let row = |what: &str, bytes: Bytes, written: Bytes, is_done| {
        [what.to_owned(), bytes.to_string(), written.to_string(), done(is_done).to_owned()]
    };
    let rate = |moved: Bytes| Rate(moved.0 as f64 / e.both_seconds).to_string();
    let all_came_back = e.large_read_meanwhile == e.large_bytes;
    Finding::new(e)
        .table(
            Table::new("", ["through an echo server", "bytes", "written", "result"])
                .row(row("write all, then read", e.small_bytes, e.small_bytes, e.small_done))
                .row(row("write all, then read", e.large_bytes, e.large_written, e.large_done))
                .row(row("read while writing", e.large_bytes, e.large_bytes, all_came_back)),
        )
        .table(
            Table::new("", ["both ends at the same time", "bytes", "rate"])
                .row(["out", &e.both_out.to_string(), &rate(e.both_out)])
                .row(["in", &e.both_in.to_string(), &rate(e.both_in)]),
        )
        .explain("In short: read while you write, or a large transfer deadlocks.")
        .explain(format!(
            "{} came back, but with {} the client hung after it had written {}. The client does not read, so the replies fill \
             the client's receive queue and the server's send queue. Now the server's write blocks, and the server stops \
             reading. Then the server's receive queue and the client's send queue fill, and the client's write blocks, too. \
             This is a deadlock: the client waits for the server to read, and the server waits for the client to read.",
            e.small_bytes, e.large_bytes, e.large_written,
        ))
        .explain(
            "The client is wrong: it does not read while it writes. The server is right: it must not accept more data while \
             its replies are not read. And there is no timeout by default: both would wait for ever.",
        )
        .explain(format!(
            "The {} that fit are the capacity of the kernels' four queues. That is why the client \"works\" in a test with \
             1 MiB, and hangs with a large file or on a machine with smaller buffers.",
            e.large_written,
        ))
        .explain(format!(
            "The fix is on the client's side. A connection is two channels, so use both at the same time. When the \
             client read while it wrote, all {} came back. Then both ends wrote and read at the same time: when one direction \
             had moved all {}, the other had moved {}.",
            e.large_read_meanwhile,
            e.both_out.max(e.both_in),
            e.both_out.min(e.both_in),
        ))
        .explain(
            "It is tempting to fix it in the server: keep reading, and buffer the replies until the client reads them. That \
             is an unbounded queue. It turns a client that hangs into a server that runs out of memory.",
        )
        .claim(
            "writing everything before reading works for a small file",
            e.small_done,
            format!("{} {}", e.small_bytes, done(e.small_done)),
        )
        .claim(
            "writing everything before reading hangs for a large file",
            !e.large_done && e.large_written < e.large_bytes,
            format!("{} of {} written", e.large_written, e.large_bytes),
        )
        .claim(
            "everything comes back when the client reads while it writes",
            all_came_back,
            format!("{} came back", e.large_read_meanwhile),
        )
        .claim(
            "both directions carry data at the same time",
            e.both_out.min(e.both_in) > Bytes(0),
            format!("{} out, {} in", e.both_out, e.both_in),
        )
        .measured(if e.large_done { 'a' } else { 'b' })
}

/// Bytes that fit into the queues between client and server.
const SMALL: u64 = 1 << 20;

/// Bytes that do not fit: with Linux's largest default buffers (32 MiB to receive, 4 MiB to send) about 40 MiB do.
const LARGE: u64 = 64 << 20;

/// Bytes sent in each direction in the last part.
const BOTH: u64 = 64 << 20;

/// Bytes per write and per read.
const CHUNK: usize = 64 << 10;

/// A write without progress for this long has hung. TCP itself pauses for at most about 200 ms on loopback.
const STUCK: Duration = Duration::from_millis(1500);
