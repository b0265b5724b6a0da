//! `duplex`: a connection is two channels, one each way, and both run at once. Whoever uses them one after the other,
//! writing all and then reading all, is stuck as soon as "all" is more than the queues in between.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echoctl_record::{Bytes, Rate};
use serde::Serialize;

use crate::kit::measure::{TIMEOUT, connection, is_not_now};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "duplex",
    idea: "both directions at once; the deadlock of write-all-then-read",
    question: Question {
        text: "A client sends a file to an echo server (a correct one) and gets it back: it writes everything, and then \
               reads everything. With a file of 1 MiB this works. What happens with 64 MiB?",
        choices: &[
            "it works, and takes 64 times as long",
            "it never ends: client and server wait for each other",
            "it ends, but bytes are missing",
        ],
    },
    code: Code { source: include_str!("duplex.rs"), node: None },
    next: &[
        ("echoctl lesson duplex --show-code", "the client that gets stuck, and the one that does not"),
        (
            "head -c 64M /dev/zero | tr '\\0' x | fold | echoctl send | wc -c",
            "64 MiB through an echo: send reads while it writes (start echoctl serve)",
        ),
        ("echoctl lesson send-buffer", "the queue that filled up"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// Written, then read, through an echo.
    small_bytes: u64,
    small_done: bool,
    large_bytes: u64,
    large_done: bool,
    /// What the large one had written when it stood still.
    large_written: u64,
    /// The large one again, reading while writing.
    large_read_meanwhile: u64,
    /// Both ends write and read at once: moved each way when the first of the two was done.
    both_out: u64,
    both_in: u64,
    both_seconds: f64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let small_written = write_then_read(SMALL)?;
    // Sabotage: the large one reads while it writes.
    let large_written = if setting.sabotage { read_while_writing(LARGE)? } else { write_then_read(LARGE)? };
    let large_read_meanwhile = read_while_writing(LARGE)?;
    let (both_out, both_in, both_seconds) = both_ways()?;
    Ok(finding(&Evidence {
        small_bytes: SMALL,
        small_done: small_written == SMALL,
        large_bytes: LARGE,
        large_done: large_written == LARGE,
        large_written,
        large_read_meanwhile,
        both_out,
        both_in,
        both_seconds,
    }))
}

// [show]
/// A correct echo server: it waits until what it writes is taken, and only then reads again.
fn echo(mut connection: TcpStream) -> Result<JoinHandle<()>, LessonError> {
    spawn(move || {
        let mut room = vec![0; CHUNK];
        while let Ok(read @ 1..) = connection.read(&mut room) {
            if connection.write_all(&room[..read]).is_err() {
                break;
            }
        }
    })
}

/// Writes all, then reads all. Returns how much was written before nothing moved any more.
fn write_then_read(total: u64) -> Result<u64, LessonError> {
    let (mut client, server) = connection()?;
    let server = echo(server)?;
    client.set_write_timeout(Some(STUCK))?;
    let mut written = 0;
    while written < total {
        match client.write(&[b'x'; CHUNK]) {
            Ok(taken) => written += taken as u64,
            Err(error) if is_not_now(&error) => break, // the server takes no more: it waits for us to read
            Err(error) => return Err(error.into()),
        }
    }
    if written >= total {
        read_exactly(&mut client, written)?;
        written = total;
    }
    drop(client); // frees the server, which ends
    ended(server)?;
    Ok(written)
}

/// The same with a thread that reads meanwhile. Returns what came back.
fn read_while_writing(total: u64) -> Result<u64, LessonError> {
    let (mut client, server) = connection()?;
    let server = echo(server)?;
    let mut reader = client.try_clone()?;
    let reader = spawn(move || read_exactly(&mut reader, total))?;
    for _ in 0..total / CHUNK as u64 {
        client.write_all(&[b'x'; CHUNK])?;
    }
    let read = reader.join().map_err(|_| LessonError::Part("the reader failed".to_owned()))??;
    drop(client);
    ended(server)?;
    Ok(read)
}
// [/show]

/// Both ends write and read at once. Returns what had moved each way when the first direction was done, and when.
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
            let mut room = vec![0; CHUNK];
            while let Ok(read @ 1..) = end.read(&mut room) {
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
        writer.join().map_err(|_| LessonError::Part("a writer failed".to_owned()))??;
    }
    for reader in readers {
        ended(reader)?;
    }
    Ok((out, back, seconds))
}

fn read_exactly(connection: &mut TcpStream, total: u64) -> Result<u64, LessonError> {
    connection.set_read_timeout(Some(TIMEOUT))?;
    let (mut read, mut room) = (0, vec![0; CHUNK]);
    while read < total {
        match connection.read(&mut room)? {
            0 => return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into()),
            some => read += some as u64,
        }
    }
    Ok(read)
}

fn ended(thread: JoinHandle<()>) -> Result<(), LessonError> {
    thread.join().map_err(|_| LessonError::Part("a thread of the experiment failed".to_owned()))
}

fn finding(e: &Evidence) -> Finding {
    let done = |done| if done { "done" } else { "stood still" };
    let finding = Finding::new(e)
        .table(
            Table::new(["through an echo", "bytes", "written", "in the end"])
                .row(["write all, then read", &Bytes(e.small_bytes).to_string(), &Bytes(e.small_bytes).to_string(), done(e.small_done)])
                .row([
                    "write all, then read",
                    &Bytes(e.large_bytes).to_string(),
                    &Bytes(e.large_written).to_string(),
                    done(e.large_done),
                ])
                .row([
                    "read while writing",
                    &Bytes(e.large_bytes).to_string(),
                    &Bytes(e.large_bytes).to_string(),
                    done(e.large_read_meanwhile == e.large_bytes),
                ]),
        )
        .table(
            Table::new(["both ends at once", "bytes", "a second"])
                .row(["out", &Bytes(e.both_out).to_string(), &Rate(e.both_out as f64 / e.both_seconds).to_string()])
                .row(["in", &Bytes(e.both_in).to_string(), &Rate(e.both_in as f64 / e.both_seconds).to_string()]),
        )
        .explain(format!(
            "{} went through, and {} stood still after {} were written. The client does not read, so the echo's replies \
             fill the client's receive queue and the server's send queue. Then the server waits in write and does not read. \
             Then its receive queue and the client's send queue fill, and the client waits in write, for a server that waits \
             for the client to read. Nobody is wrong alone, and no timeout comes by itself.",
            Bytes(e.small_bytes),
            Bytes(e.large_bytes),
            Bytes(e.large_written),
        ))
        .explain(format!(
            "The {} that fitted are the kernel's four queues. That is why it \"works\" in a test with 1 MiB, and hangs \
             with a large file, or on a machine with smaller buffers.",
            Bytes(e.large_written),
        ))
        .explain(format!(
            "The cure is on the client's side: a connection is two channels, so use both at once. Reading while writing, \
             all {} came back. Both ends writing and reading at the same time moved {} out and {} in.",
            Bytes(e.large_read_meanwhile),
            Bytes(e.both_out),
            Bytes(e.both_in),
        ))
        .explain(
            "It is tempting to cure it in the server, by reading on and keeping the replies until the client takes them. \
             That is the unbounded queue: it turns a client that hangs into a server that dies.",
        )
        .claim(
            "writing all, then reading works with little",
            e.small_done,
            format!("{}: {}", Bytes(e.small_bytes), done(e.small_done)),
        )
        .claim(
            "and stands still with much",
            !e.large_done && e.large_written < e.large_bytes,
            format!("{} of {} written", Bytes(e.large_written), Bytes(e.large_bytes)),
        )
        .claim(
            "reading meanwhile, all comes back",
            e.large_read_meanwhile == e.large_bytes,
            format!("{}", Bytes(e.large_read_meanwhile)),
        )
        .claim(
            "both directions move at once",
            e.both_out > 0 && e.both_in > 0,
            format!("{} out, {} in when the first was done", Bytes(e.both_out), Bytes(e.both_in)),
        );
    match e.large_done {
        true => finding.measured('a'),
        false => finding.measured('b'),
    }
}

/// Fits into the queues between client and server.
const SMALL: u64 = 1 << 20;

/// Does not: with the largest buffers that Linux gives by default (32 MiB to receive, 4 MiB to send) it is some 40 MiB.
const LARGE: u64 = 64 << 20;

/// Moved each way in the last part.
const BOTH: u64 = 64 << 20;

/// Written and read at a time.
const CHUNK: usize = 64 << 10;

/// A write that has taken nothing for so long is stuck. TCP itself pauses for some 200 ms at most here.
const STUCK: Duration = Duration::from_millis(1500);
