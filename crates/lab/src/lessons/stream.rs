//! `stream`: TCP carries a stream of bytes. What one call wrote is not what one call reads, and a test on a quiet
//! machine hides that. Beside it UDP, which keeps messages apart and loses them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::TcpInfo;
use echoctl_record::Bytes;
use serde::Serialize;

use crate::kit::measure::{self, Clamp, ETHERNET, connection, connection_with, is_not_now};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table, count, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "stream",
    idea: "TCP has no packets for you: n writes are not n reads",
    question: Question {
        text: "A program writes to a TCP connection 100 times, 10 bytes each, as fast as it can. The peer has room \
               for all 1000 bytes in each read, and needs a millisecond for what a read gave before it reads again. How many \
               of its reads return bytes?",
        choices: &["100, one for each write", "fewer", "more"],
    },
    code: Code {
        source: include_str!("stream.rs"),
        node: Some(
            "socket.on('data', data => {\n    \
                 // wrong: 'data' is some piece of the stream, not what the peer passed to one write()\n    \
                 const message = JSON.parse(data);\n\
             });",
        ),
    },
    next: &[
        ("echoctl lesson framing", "how to find messages in a stream"),
        ("echoctl lesson dns", "the same message as a datagram and in a stream"),
        ("echoctl lesson flow-control", "what TCP does so that nothing is lost"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// Back to back.
    writes: usize,
    seconds: f64,
    segments: Option<u32>,
    reads: usize,
    /// Each write after the last was read.
    paced_writes: usize,
    paced_reads: usize,
    /// One write that is read in pieces.
    large_write: usize,
    large_reads: usize,
    /// One write over a path with segments of Ethernet's size.
    ethernet_write: usize,
    ethernet_segments: Option<u32>,
    ethernet_reads: usize,
    udp_sent: usize,
    udp_received: usize,
}

/// How many writes, segments and reads it took.
struct Counts {
    writes: usize,
    segments: Option<u32>,
    reads: usize,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let started = Instant::now();
    // Sabotage: every write waits until the last was read, and then they do not merge.
    let fast = if setting.sabotage { paced(WRITES)? } else { back_to_back(connection()?, WRITES, SIZE)? };
    let seconds = started.elapsed().as_secs_f64();
    let slow = paced(PACED_WRITES)?;
    let large = back_to_back(connection()?, 1, LARGE)?;
    let ethernet = back_to_back(connection_with(AS_ON_ETHERNET)?, 1, MANY_SEGMENTS)?;
    let (udp_sent, udp_received) = datagrams()?;
    Ok(finding(&Evidence {
        writes: fast.writes,
        seconds,
        segments: fast.segments,
        reads: fast.reads,
        paced_writes: slow.writes,
        paced_reads: slow.reads,
        large_write: LARGE,
        large_reads: large.reads,
        ethernet_write: MANY_SEGMENTS,
        ethernet_segments: ethernet.segments,
        ethernet_reads: ethernet.reads,
        udp_sent,
        udp_received,
    }))
}

// [show]
/// Writes `writes` times as fast as it can, and counts how many reads it takes to get it all.
fn back_to_back(pair: (TcpStream, TcpStream), writes: usize, size: usize) -> Result<Counts, LessonError> {
    let (mut writer, reader) = pair;
    let reads = count_reads(reader)?;
    for _ in 0..writes {
        writer.write_all(&vec![b'x'; size])?;
    }
    finish(writer, writes, 0, reads)
}

/// Writes each time only after the last write has been read: as a person types, as a test on a quiet machine runs.
fn paced(writes: usize) -> Result<Counts, LessonError> {
    let (mut writer, reader) = connection()?;
    let reads = count_reads(reader)?;
    let mut seen = 0;
    for _ in 0..writes {
        writer.write_all(&[b'x'; SIZE])?;
        reads.recv().map_err(|_| LessonError::Part("the reader ended early".to_owned()))?;
        seen += 1;
    }
    finish(writer, writes, seen, reads)
}

/// A thread that reads to the end, tells of each read that returned bytes, and handles what it got for a moment.
fn count_reads(mut reader: TcpStream) -> Result<Receiver<usize>, LessonError> {
    let (tell, told) = mpsc::channel();
    spawn(move || {
        let mut room = vec![0; LARGE];
        while let Ok(read @ 1..) = reader.read(&mut room) {
            if tell.send(read).is_err() {
                break;
            }
            thread::sleep(HANDLING);
        }
    })?;
    Ok(told)
}
// [/show]

/// Ends the stream, counts the reads that are still to come, and asks the kernel for the segments it sent.
fn finish(
    writer: TcpStream,
    writes: usize,
    seen: usize,
    reads: Receiver<usize>,
) -> Result<Counts, LessonError> {
    writer.shutdown(Shutdown::Write)?;
    let reads = seen + reads.iter().count();
    let segments = TcpInfo::of(&writer).ok().and_then(|info| info.data_segs_out);
    Ok(Counts { writes, segments, reads })
}

/// Sends datagrams to a receiver that begins to read when all are sent.
fn datagrams() -> Result<(usize, usize), LessonError> {
    let (sender, receiver) = measure::datagrams()?;
    receiver.set_nonblocking(true)?;
    let sent = (0..DATAGRAMS).filter(|_| sender.send(&[b'x'; DATAGRAM]).is_ok()).count();
    let mut received = 0;
    loop {
        match receiver.recv(&mut [0; DATAGRAM]) {
            Ok(_) => received += 1,
            Err(error) if is_not_now(&error) => return Ok((sent, received)),
            Err(error) => return Err(error.into()),
        }
    }
}

fn finding(e: &Evidence) -> Finding {
    let segments =
        |count: Option<u32>| count.map_or_else(|| "not visible".to_owned(), |count| count.to_string());
    let row = |what: &str, writes: usize, sent: String, reads: usize| {
        [what.to_owned(), writes.to_string(), sent, reads.to_string()]
    };
    let finding = Finding::new(e)
        .table(
            Table::new(["over TCP", "writes", "segments", "reads"])
                .row(row("10 bytes each, as fast as it can", e.writes, segments(e.segments), e.reads))
                .row(row("10 bytes each, the last one read first", e.paced_writes, String::new(), e.paced_reads))
                .row(row(&Bytes(e.large_write as u64).to_string(), 1, String::new(), e.large_reads))
                .row(row(
                    &format!("{}, segments as on Ethernet", Bytes(e.ethernet_write as u64)),
                    1,
                    segments(e.ethernet_segments),
                    e.ethernet_reads,
                )),
        )
        .table(
            Table::new(["over UDP", "sent", "received"])
                .row([format!("{DATAGRAM} bytes each"), e.udp_sent.to_string(), e.udp_received.to_string()]),
        )
        .explain(format!(
            "{} writes came out of {}. What is written is put behind what waits to be sent, and a read takes all that \
             has arrived by then. Who writes small pieces fast is even helped by the kernel to merge them (Nagle's \
             algorithm: while something is unacknowledged, small pieces wait and are sent together), so that they left in \
             {} segments.",
            e.writes,
            count(e.reads as u64, "read"),
            segments(e.segments),
        ))
        .explain(format!(
            "The trap: when each write waited until the last was read, {} writes gave {} reads. So a program that takes a \
             read for a message passes its test on a quiet machine and breaks under load. (A reader that does nothing but \
             read, on a processor of its own, now and then sees every fast write by itself, too. It is chance.)",
            e.paced_writes, e.paced_reads,
        ))
        .explain(format!(
            "It splits as well as it joins: one write of {} came out of {} reads. Nor are segments (\"TCP packets\") \
             reads: {} in segments of Ethernet's size were {} segments and {}. A program sees neither writes \
             nor segments of its peer, only bytes in order.",
            Bytes(e.large_write as u64),
            e.large_reads,
            Bytes(e.ethernet_write as u64),
            segments(e.ethernet_segments),
            count(e.ethernet_reads as u64, "read"),
        ))
        .explain(format!(
            "UDP does keep messages apart: a datagram is read whole or not at all. But of {} datagrams that were sent \
             without an error, {} could be read: the others found the receiver's queue full and were thrown away without a \
             word. TCP holds the sender back instead: that is flow control.",
            e.udp_sent, e.udp_received,
        ))
        .claim("fewer reads than writes, back to back", e.reads < e.writes, format!("{} for {}", e.reads, e.writes))
        .claim(
            "as many reads as writes when each waits for the last to be read",
            e.paced_reads == e.paced_writes,
            format!("{} for {}", e.paced_reads, e.paced_writes),
        )
        .claim("one large write takes several reads", e.large_reads > 1, format!("{} reads", e.large_reads))
        .claim(
            "UDP loses what does not fit, and tells nobody",
            e.udp_received < e.udp_sent,
            format!("{} of {} received", e.udp_received, e.udp_sent),
        );
    match e.reads.cmp(&e.writes) {
        std::cmp::Ordering::Equal => finding.measured('a'),
        std::cmp::Ordering::Less => finding.measured('b'),
        std::cmp::Ordering::Greater => finding.measured('c'),
    }
}

/// Small writes as fast as possible.
const WRITES: usize = 100;

/// Small writes, each after the last was read; few, since each may wait 40 ms for a delayed acknowledgement.
const PACED_WRITES: usize = 10;

/// What a reader does with what it got, as every program does something. One that does nothing else but read, on a
/// processor of its own, may be quick enough to see every write by itself: now and then, and nobody can rely on it.
const HANDLING: Duration = Duration::from_millis(1);

/// Bytes of a small write.
const SIZE: usize = 10;

/// One write that is more than the receiver's window at the beginning; also the room for each read.
const LARGE: usize = 1 << 20;

/// One write of some twenty Ethernet segments.
const MANY_SEGMENTS: usize = 32 << 10;

/// Segments of Ethernet's size.
const AS_ON_ETHERNET: Clamp = Clamp { segment: Some(ETHERNET), ..Clamp::NONE };

/// Datagrams sent: far more than the 200 KiB that a socket holds by default.
const DATAGRAMS: usize = 5000;

/// Bytes of a datagram.
const DATAGRAM: usize = 1000;
