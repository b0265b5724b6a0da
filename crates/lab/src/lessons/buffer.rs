//! `buffer`: bytes that arrive in pieces must be kept until a message is whole. Keeping them the obvious way costs the
//! square of their number. No socket here: the cost is counted in bytes copied, which no machine's speed changes.

use std::time::Instant;

use echoctl_proto::Buffer;
use echoctl_record::{Bytes, Seconds};
use serde::Serialize;

use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "buffer",
    idea: "the dynamic buffer: concatenating costs n squared, doubling n",
    question: Question {
        text: "A message arrives in pieces of 64 bytes. Each piece is put behind what is already there with \
               buffer = concat(buffer, piece). A second message is twice as long. How many bytes does the program copy \
               to collect it, compared with the first?",
        choices: &["as many", "twice as many", "four times as many"],
    },
    code: Code {
        source: include_str!("buffer.rs"),
        node: Some(
            "// the slow way: every piece copies all that came before it\n\
             socket.on('data', piece => { buf = Buffer.concat([buf, piece]); /* ... */ });\n\n\
             // the dynamic buffer: grow to twice the size, copy only then\n\
             function bufPush(buf, data) {\n    \
                 const newLen = buf.length + data.length;\n    \
                 if (buf.data.length < newLen) {\n        \
                     let cap = Math.max(buf.data.length, 32);\n        \
                     while (cap < newLen) cap *= 2;\n        \
                     const grown = Buffer.alloc(cap);\n        \
                     buf.data.copy(grown, 0, 0, buf.length);   // the copy that doubling makes rare\n        \
                     buf.data = grown;\n    \
                 }\n    \
                 data.copy(buf.data, buf.length, 0);\n    \
                 buf.length = newLen;\n\
             }",
        ),
    },
    next: &[
        ("echoctl lesson buffer --show-code", "the two ways, side by side, and the same in Node"),
        ("echoctl lesson framing", "what the buffer is for: cutting messages from the stream"),
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
    /// Bytes copied to pop all 64-byte messages from the front of n, 2n, 4n.
    copied_pop_moving: [u64; 3],
    copied_pop_offset: [u64; 3],
    /// For 4n.
    concat_seconds: f64,
    doubling_seconds: f64,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    // Sabotage: the slow way is replaced by the good one, and then nothing grows with the square.
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
/// The obvious way: a new piece of memory for each piece that arrives. Returns the bytes copied.
fn concatenate(total: u64) -> u64 {
    let (mut buffer, mut copied) = (Vec::new(), 0);
    for _ in 0..total / PIECE.len() as u64 {
        buffer = [&buffer[..], &PIECE[..]].concat(); // allocates, and copies all that came before
        copied += buffer.len() as u64;
    }
    copied
}

/// The dynamic buffer: it takes more than it needs now, twice as much each time, so that it rarely has to move.
fn append_to_buffer(total: u64) -> u64 {
    let (mut buffer, mut copied) = (Buffer::new(total as usize), 0);
    for _ in 0..total / PIECE.len() as u64 {
        let (held, capacity) = (buffer.len(), buffer.capacity());
        buffer.append(&PIECE).expect("the limit is the total");
        let moved = if buffer.capacity() == capacity { 0 } else { held };
        copied += (moved + PIECE.len()) as u64;
    }
    copied
}

/// A message leaves at the front, and the rest moves up to take its place.
fn pop_by_moving(total: u64) -> u64 {
    let (mut buffer, mut copied) = (vec![0; total as usize], 0);
    while !buffer.is_empty() {
        buffer.drain(..PIECE.len()); // moves all that stays
        copied += buffer.len() as u64;
    }
    copied
}

/// A message leaves at the front, and only a number moves: where the unread bytes begin.
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
    let mut table =
        Table::new(["collected", "concat copies", "doubling copies", "pop by moving", "pop by offset"]);
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
    let finding = Finding::new(e)
        .table(table)
        .explain(format!(
            "Twice the bytes cost {growth:.1} times the copying, because each of twice as many pieces copies a buffer that \
             is on average twice as long. That is n squared: to collect {} this way, each byte was copied {} times.",
            Bytes(e.appended[2]),
            per_byte(e.copied_concat[2], 2),
        ))
        .explain(format!(
            "The dynamic buffer takes twice the room whenever it runs out. It moves its content only then, half as often \
             each time, and so each byte was copied {} times, however many there are: {} against {} in all. On this \
             machine that was {} against {}.",
            per_byte(e.copied_doubling[2], 2),
            Bytes(e.copied_doubling[2]),
            Bytes(e.copied_concat[2]),
            Seconds(e.doubling_seconds),
            Seconds(e.concat_seconds),
        ))
        .explain(format!(
            "Taking messages out at the front is the same trap the other way round: moving the rest up for each message \
             copied {}, remembering where the unread bytes begin copied {}. The room in front is used again when it is \
             worth a move.",
            Bytes(e.copied_pop_moving[2]),
            Bytes(e.copied_pop_offset[2]),
        ))
        .explain(
            "A peer chooses how small its pieces are, so the square is not only slow: whoever sends a long line a few \
             bytes at a time keeps the processor busy with copying. And the buffer needs a limit, or a line without an end \
             fills the memory: echoctl serve calls it --max-frame.",
        )
        .claim(
            "concatenating copies 4 times as much for twice the bytes",
            grows(e.copied_concat, 3.5, 4.5),
            format!("{} copied", all(e.copied_concat)),
        )
        .claim(
            "doubling copies twice as much for twice the bytes",
            grows(e.copied_doubling, 1.5, 2.5),
            format!("{} copied", all(e.copied_doubling)),
        )
        .claim(
            "popping by an offset copies nothing, popping by moving 4 times as much for twice the bytes",
            e.copied_pop_offset == [0; 3] && grows(e.copied_pop_moving, 3.5, 4.5),
            format!("{} and {} copied", all(e.copied_pop_offset), all(e.copied_pop_moving)),
        );
    match growth {
        g if g < 1.5 => finding.measured('a'),
        g if g < 3.0 => finding.measured('b'),
        _ => finding.measured('c'),
    }
}

/// Runs one way of collecting for all sizes; the seconds are those of the last.
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

/// n, 2n and 4n: at 256 KiB the slow way copies 512 MiB, which can be felt.
const SIZES: [u64; 3] = [64 << 10, 128 << 10, 256 << 10];

/// A small write of a peer.
const PIECE: [u8; 64] = [b'x'; 64];
