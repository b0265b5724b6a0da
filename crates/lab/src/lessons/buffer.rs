//! `buffer`: bytes that arrive in pieces must be buffered until a message is complete. The obvious way to do so has quadratic
//! cost. There is no socket here: the cost is counted in bytes copied, which do not depend on the machine's speed.

use std::time::Instant;

use echoctl_proto::Buffer;
use echoctl_record::{Bytes, Seconds};
use echoctl_report::Table;
use serde::Serialize;

use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "buffer",
    idea: "repeated concatenation is quadratic, doubling is linear",
    question: Question {
        text: "A message arrives in pieces of 64 bytes. The program appends each piece with buffer = concat(buffer, piece). A \
               second message is twice as long. How many bytes does the program copy to collect it, compared with the first?",
        choices: &["the same number", "twice as many", "four times as many"],
    },
    code: Code {
        source: include_str!("buffer.rs"),
        node: Some(
            "// the slow way: each piece copies everything before it\n\
             socket.on('data', piece => { buf = Buffer.concat([buf, piece]); /* ... */ });\n\n\
             // the dynamic buffer: grow to twice the size, and copy only then\n\
             function bufPush(buf, data) {\n    \
                 const newLen = buf.length + data.length;\n    \
                 if (buf.data.length < newLen) {\n        \
                     let cap = Math.max(buf.data.length, 32);\n        \
                     while (cap < newLen) cap *= 2;\n        \
                     const grown = Buffer.alloc(cap);\n        \
                     buf.data.copy(grown, 0, 0, buf.length);   // doubling makes this copy rare\n        \
                     buf.data = grown;\n    \
                 }\n    \
                 data.copy(buf.data, buf.length, 0);\n    \
                 buf.length = newLen;\n\
             }",
        ),
    },
    next: &[
        ("echoctl lesson buffer --show-code", "the two ways, side by side, and the same in Node"),
        ("echoctl lesson framing", "the buffer's purpose: finding messages in the stream"),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    /// Bytes appended: n, 2n, 4n.
    appended: [u64; 3],
    copied_concat: [u64; 3],
    copied_doubling: [u64; 3],
    /// Bytes copied to pop all 64-byte messages from the front of n, 2n and 4n bytes.
    copied_pop_moving: [u64; 3],
    copied_pop_offset: [u64; 3],
    /// Seconds for 4n bytes.
    concat_seconds: f64,
    doubling_seconds: f64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    // Sabotage: the slow way is replaced by the good one, so nothing is quadratic.
    let slow = if setting.sabotage { append_to_buffer } else { concatenate };
    let (copied_concat, concat_seconds) = timed(slow);
    let (copied_doubling, doubling_seconds) = timed(append_to_buffer);
    let evidence = Evidence {
        appended: SIZES,
        copied_concat,
        copied_doubling,
        copied_pop_moving: SIZES.map(pop_by_moving),
        copied_pop_offset: SIZES.map(pop_by_offset),
        concat_seconds,
        doubling_seconds,
    };
    Ok(finding(&evidence))
}

// [show]
/// The obvious way: a new allocation for each piece that arrives. Returns the bytes copied.
fn concatenate(total: u64) -> u64 {
    let (mut buffer, mut copied) = (Vec::new(), 0);
    for _ in 0..total / PIECE.len() as u64 {
        buffer = [&buffer[..], &PIECE[..]].concat(); // allocates, and copies everything before it
        copied += buffer.len() as u64;
    }
    copied
}

/// The dynamic buffer: it doubles its allocation each time it is full, so that it rarely has to copy.
fn append_to_buffer(total: u64) -> u64 {
    let (mut buffer, mut copied) = (Buffer::new(total as usize), 0);
    for _ in 0..total / PIECE.len() as u64 {
        let (buffered, capacity) = (buffer.len(), buffer.capacity());
        buffer.append(&PIECE).expect("the limit is the total");
        let moved = if buffer.capacity() == capacity { 0 } else { buffered };
        copied += (moved + PIECE.len()) as u64;
    }
    copied
}

/// Removes each message from the front and moves the rest up.
fn pop_by_moving(total: u64) -> u64 {
    let (mut buffer, mut copied) = (vec![0; total as usize], 0);
    while !buffer.is_empty() {
        buffer.drain(..PIECE.len()); // moves everything that stays
        copied += buffer.len() as u64;
    }
    copied
}

/// Removes each message from the front by advancing an offset: where the unread bytes begin.
fn pop_by_offset(total: u64) -> u64 {
    let mut buffer = Buffer::new(total as usize);
    buffer.append(&vec![0; total as usize]).expect("the limit is the total");
    let mut copied = 0;
    while !buffer.is_empty() {
        let before = buffer.unread()[PIECE.len()..].as_ptr();
        buffer.consume(PIECE.len());
        let stayed = buffer.is_empty() || buffer.unread().as_ptr() == before;
        copied += if stayed { 0 } else { buffer.len() as u64 };
    }
    copied
}
// [/show]

fn finding(e: &Evidence) -> Finding {
    let growth = e.copied_concat[1] as f64 / e.copied_concat[0] as f64;
    let per_byte = |copied: u64, at: usize| (copied as f64 / e.appended[at] as f64).round();
    let mut table = Table::new(
        "",
        [
            "bytes collected",
            "bytes copied by concat",
            "bytes copied by doubling",
            "bytes copied to remove from the front, by moving",
            "bytes copied to remove from the front, by offset",
        ],
    );
    for at in 0..SIZES.len() {
        let columns = [
            e.appended[at],
            e.copied_concat[at],
            e.copied_doubling[at],
            e.copied_pop_moving[at],
            e.copied_pop_offset[at],
        ];
        table = table.row(columns.map(Bytes));
    }
    let grows = |copied: [u64; 3], low: f64, high: f64| {
        copied.windows(2).all(|pair| (low..high).contains(&(pair[1] as f64 / pair[0] as f64)))
    };
    let all = |copied: [u64; 3]| copied.map(|bytes| Bytes(bytes).to_string()).join(", ");
    let [concat, doubling, moving, offset] =
        [e.copied_concat, e.copied_doubling, e.copied_pop_moving, e.copied_pop_offset]
            .map(|all| Bytes(all[2]));
    let finding = Finding::new(e)
        .table(table)
        .explain("In short: repeated concatenation is quadratic, doubling is linear (a constant number of copies per \
                  byte on average).")
        .explain(format!(
            "For twice the bytes, concatenation copies {growth:.1} times as much: there are twice as many pieces, and each of \
             them copies a buffer that is on average twice as long. This is quadratic cost, O(n²). To collect {} this way, each \
             byte was copied {} times on average.",
            Bytes(e.appended[2]),
            per_byte(e.copied_concat[2], 2),
        ))
        .explain(format!(
            "The dynamic buffer doubles its allocation whenever it is full, and copies its content only then. So each byte was \
             copied {} times on average, for any number of bytes. This is linear cost, O(n): {doubling} copied in total instead \
             of {concat}. On this machine it took {} instead of {}.",
            per_byte(e.copied_doubling[2], 2),
            Seconds(e.doubling_seconds),
            Seconds(e.concat_seconds),
        ))
        .explain(format!(
            "Removing messages from the front has the same trap. Moving the rest up after each message copied {moving}. \
             An offset to the first unread byte copied {offset}. When it needs room, the buffer moves the rest to the front if \
             that frees at least as much as it copies; otherwise it grows.",
        ))
        .explain(
            "The peer chooses the size of the pieces, so quadratic cost is also a security problem: a client that sends a long \
             line a few bytes at a time keeps your CPU busy with copying. The buffer needs a limit, too, or an endless line \
             fills the memory. In echoctl serve this limit is --max-frame.",
        )
        .claim(
            "concatenation copies 4 times as much for twice the bytes",
            grows(e.copied_concat, 3.5, 4.5),
            format!("{} copied", all(e.copied_concat)),
        )
        .claim(
            "doubling copies twice as much for twice the bytes",
            grows(e.copied_doubling, 1.5, 2.5),
            format!("{} copied", all(e.copied_doubling)),
        )
        .claim(
            "removing from the front by offset copies nothing; by moving, 4 times as much for twice the bytes",
            e.copied_pop_offset == [0; 3] && grows(e.copied_pop_moving, 3.5, 4.5),
            format!("by offset {}; by moving {}", all(e.copied_pop_offset), all(e.copied_pop_moving)),
        );
    match growth {
        g if g < 1.5 => finding.measured('a'),
        g if g < 3.0 => finding.measured('b'),
        _ => finding.measured('c'),
    }
}

/// Runs one way of collecting for all sizes; the seconds are those of the largest.
fn timed(collect: fn(u64) -> u64) -> ([u64; 3], f64) {
    let mut seconds = 0.0;
    let copied = SIZES.map(|total| {
        let started = Instant::now();
        let copied = collect(total);
        seconds = started.elapsed().as_secs_f64();
        copied
    });
    (copied, seconds)
}

/// Bytes collected, n, 2n and 4n: at 256 KiB the slow way copies 512 MiB, which takes a noticeable time.
const SIZES: [u64; 3] = [64 << 10, 128 << 10, 256 << 10];

/// One piece: a small write of a peer.
const PIECE: [u8; 64] = [b'x'; 64];
