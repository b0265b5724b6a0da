//! `stream`: TCP is a byte stream, so one write does not arrive as one read, and a test on an idle machine hides that. UDP,
//! for comparison, preserves message boundaries and loses messages.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::TcpInfo;
use echoctl_record::{Bytes, count};
use echoctl_report::{Table, shown};
use serde::Serialize;

use crate::kit::loopback::{self, Clamp, ETHERNET, connection, connection_with, is_not_now};
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, spawn};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "stream",
    idea: "TCP is a byte stream: n writes do not arrive as n reads",
    question: Question {
        text: "A program writes to a TCP connection 100 times, 10 bytes each, as fast as it can. The peer reads with a \
               buffer large enough for all 1000 bytes, and spends one millisecond on the result of each read before it \
               reads again. How many reads does it need to receive everything?",
        choices: &["100, one per write", "fewer", "more"],
    },
    code: Code {
        source: include_str!("stream.rs"),
        node: Some(
            "socket.on('data', data => {\n    \
                 // wrong: 'data' is an arbitrary piece of the stream, not what the peer passed to one write()\n    \
                 const message = JSON.parse(data);\n\
             });",
        ),
    },
    next: &[
        ("echoctl lesson framing", "how to find messages in a stream"),
        ("echoctl lesson dns", "the same message as a datagram and in a stream"),
        ("echoctl lesson flow-control", "how TCP avoids losing data when a reader is slow"),
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
    /// Each write waits until the previous one has been read.
    paced_writes: usize,
    paced_reads: usize,
    /// One write that takes several reads.
    large_write: usize,
    large_reads: usize,
    /// One write over a path with segments of Ethernet's size.
    ethernet_write: usize,
    ethernet_segments: Option<u32>,
    ethernet_reads: usize,
    udp_sent: usize,
    udp_received: usize,
}

/// Numbers of writes, segments and reads of one transfer.
struct Counts {
    writes: usize,
    segments: Option<u32>,
    reads: usize,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let started = Instant::now();
    // Sabotage: every write waits until the previous one has been read, so writes do not merge.
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
/// Writes `writes` times as fast as it can, and counts the reads that receive all of it.
fn back_to_back(pair: (TcpStream, TcpStream), writes: usize, size: usize) -> Result<Counts, LessonError> {
    let (mut writer, reader) = pair;
    let reads = count_reads(reader)?;
    for _ in 0..writes {
        writer.write_all(&vec![b'x'; size])?;
    }
    finish(writer, writes, 0, reads)
}

/// Waits until each write has been read before the next: as when a person types, or in a test on an idle machine.
fn paced(writes: usize) -> Result<Counts, LessonError> {
    let (mut writer, reader) = connection()?;
    let reads = count_reads(reader)?;
    let mut seen = 0;
    for _ in 0..writes {
        writer.write_all(&[b'x'; SIZE])?;
        reads
            .recv()
            .map_err(|_| LessonError::Part("read the small writes: the reader stopped early".to_owned()))?;
        seen += 1;
    }
    finish(writer, writes, seen, reads)
}

/// Starts a thread that reads to EOF, reports each read that returned data, and spends a moment on its result.
fn count_reads(mut reader: TcpStream) -> Result<Receiver<usize>, LessonError> {
    let (sender, reads) = mpsc::channel();
    spawn(move || {
        let mut buffer = vec![0; LARGE];
        while let Ok(read @ 1..) = reader.read(&mut buffer) {
            if sender.send(read).is_err() {
                break;
            }
            thread::sleep(HANDLING);
        }
    })?;
    Ok(reads)
}
// [/show]

/// Closes the stream, counts the remaining reads, and reads the number of segments sent from the kernel.
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

/// Sends datagrams to a receiver that starts to read when all have been sent.
fn datagrams() -> Result<(usize, usize), LessonError> {
    let (sender, receiver) = loopback::datagrams()?;
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
    let sent_as = e
        .segments
        .map_or_else(String::new, |number| format!(", so they left in {}", count(number, "segment")));
    let ethernet_segments =
        e.ethernet_segments.map_or_else(|| "several segments".to_owned(), |number| count(number, "segment"));
    let (large, ethernet) = (Bytes(e.large_write as u64), Bytes(e.ethernet_write as u64));
    let in_segments = format!("{ethernet}, Ethernet-sized segments");
    let row = |what: &str, writes: usize, sent: String, reads: usize| {
        [what.to_owned(), writes.to_string(), sent, reads.to_string()]
    };
    let finding = Finding::new(e)
        .table(
            Table::new("", ["over TCP", "writes", "segments", "reads"])
                .row(row("10 bytes each, as fast as it can", e.writes, shown(e.segments), e.reads))
                .row(row("10 bytes each, waiting for each read", e.paced_writes, String::new(), e.paced_reads))
                .row(row(&large.to_string(), 1, String::new(), e.large_reads))
                .row(row(&in_segments, 1, shown(e.ethernet_segments), e.ethernet_reads)),
        )
        .table(
            Table::new("", ["over UDP", "sent", "received"])
                .row([format!("{DATAGRAM} bytes each"), e.udp_sent.to_string(), e.udp_received.to_string()]),
        )
        .explain("In short: a read returns whatever has arrived, not what the peer passed to one write.")
        .explain(format!(
            "{} returned the data of all {} writes. A write appends to the send buffer; a read returns whatever has \
             arrived by then. The kernel even merges small writes for you{sent_as}. This is Nagle's algorithm: while \
             data is unacknowledged, small writes are collected and sent together.",
            count(e.reads as u64, "read"),
            e.writes,
        ))
        .explain(format!(
            "This is easy to miss: when each write waited until the previous one had been read, {} writes gave {} reads. So \
             a program that treats each read as one message passes its test on an idle machine and breaks under load. \
             (Sometimes a reader on a CPU of its own receives even fast writes one by one. You cannot rely on that.)",
            e.paced_writes, e.paced_reads,
        ))
        .explain(format!(
            "TCP splits writes as well as merging them: one write of {large} took {} reads. Segments (\"TCP packets\") are not \
             reads either: {ethernet} left in {ethernet_segments} and arrived in {}. A program sees neither its peer's writes nor \
             the segments. It sees bytes in order.",
            e.large_reads,
            count(e.ethernet_reads as u64, "read"),
        ))
        .explain(format!(
            "UDP preserves message boundaries: one receive returns one datagram. But {} datagrams were sent without an error, \
             and only {} could be received. The others arrived when the receiver's queue was full and were silently dropped. \
             TCP slows the sender down instead. That is flow control.",
            e.udp_sent, e.udp_received,
        ))
        .claim(
            "fast writes arrive in fewer reads",
            e.reads < e.writes,
            format!("{} for {} writes", count(e.reads as u64, "read"), e.writes),
        )
        .claim(
            "writes that wait until the previous one has been read arrive in one read each",
            e.paced_reads == e.paced_writes,
            format!("{} for {} writes", count(e.paced_reads as u64, "read"), e.paced_writes),
        )
        .claim("one large write takes several reads", e.large_reads > 1, count(e.large_reads as u64, "read"))
        .claim(
            "UDP silently drops what does not fit",
            e.udp_received < e.udp_sent,
            format!("{} of {} received", e.udp_received, e.udp_sent),
        );
    match e.reads.cmp(&e.writes) {
        std::cmp::Ordering::Equal => finding.measured('a'),
        std::cmp::Ordering::Less => finding.measured('b'),
        std::cmp::Ordering::Greater => finding.measured('c'),
    }
}

/// Number of small writes as fast as possible.
const WRITES: usize = 100;

/// Number of small writes that wait for each other; few, since each may take 40 ms (delayed ACK).
const PACED_WRITES: usize = 10;

/// Time that the reader spends on the result of each read, as a real program does. A reader that only reads, on a CPU of
/// its own, is sometimes fast enough to receive every write separately.
const HANDLING: Duration = Duration::from_millis(1);

/// Bytes per small write.
const SIZE: usize = 10;

/// Bytes of one write that exceeds the receiver's initial window; also the size of each read's buffer.
const LARGE: usize = 1 << 20;

/// Bytes of one write that fills about twenty Ethernet segments.
const MANY_SEGMENTS: usize = 32 << 10;

/// Segments of Ethernet's size.
const AS_ON_ETHERNET: Clamp = Clamp { segment: Some(ETHERNET), ..Clamp::NONE };

/// Datagrams sent: far more than the 200 KiB that a socket buffers by default.
const DATAGRAMS: usize = 5000;

/// Bytes per datagram.
const DATAGRAM: usize = 1000;
