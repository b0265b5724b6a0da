//! `framing`: TCP delivers bytes; where a message ends must stand in the bytes themselves. Two ways to say it, cut
//! correctly however the stream was split, and what one lost byte does to each.

use std::io::{Read, Write};
use std::net::TcpStream;

use echoctl_proto::{Buffer, FrameDecoder, Framing};
use serde::Serialize;

use crate::kit::measure::connection;
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting, Table};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "framing",
    idea: "messages are cut from the stream: by a delimiter or by a length",
    question: Question {
        text: "Twenty messages are sent, and on the way one single byte is lost. Once each message ended with a newline, \
               once each was led by its length in two bytes. How many messages does the receiver lose?",
        choices: &[
            "one or two either way",
            "with newlines one or two, with lengths all that follow",
            "all that follow either way",
        ],
    },
    code: Code {
        source: include_str!("framing.rs"),
        node: Some(
            "function cutMessage(buf) {\n    \
                 const idx = buf.data.subarray(0, buf.length).indexOf('\\n');\n    \
                 if (idx < 0) return null;                        // not complete: more bytes are needed\n    \
                 const message = Buffer.from(buf.data.subarray(0, idx + 1));   // a copy, see below\n    \
                 bufPop(buf, idx + 1);\n    \
                 return message;\n\
             }\n\
             // The copy is needed because the bytes leave the buffer and their place is used again.\n\
             // In Rust the frame borrows from the buffer: using it after consume() does not compile.",
        ),
    },
    next: &[
        ("echoctl lesson stream", "why reads are not messages in the first place"),
        ("echoctl lesson buffer", "what keeping half a message costs"),
        (
            "printf 'one\\ntwo\\n' | echoctl send --framing u16",
            "each line as a frame behind its length (start echoctl serve --framing u16)",
        ),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    frames_sent: u64,
    /// Messages that came out with the decoder, over a socket, in pieces.
    frames_cut: u64,
    /// Messages that a program sees which takes each read for one.
    naive_messages: u64,
    /// Ways to split the stream in two that were tried in memory, and that gave the same frames.
    splits_tried: u64,
    splits_right: u64,
    lines_lost: u64,
    u16_lost: u64,
    /// Messages cut by newlines when one payload contains a newline; by lengths.
    embedded_lines: u64,
    embedded_u16: u64,
    /// Bytes held when a line without end was refused.
    endless_refused_at: Option<u64>,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let messages: Vec<Vec<u8>> = (1..=FRAMES).map(|n| format!("message {n}").into_bytes()).collect();
    let lines = encode(Framing::Lines, &messages);
    // Sabotage: whole messages arrive one by one, and then the wrong program looks right.
    let pieces: Vec<&[u8]> = match setting.sabotage {
        true => lines.split_inclusive(|&byte| byte == b'\n').collect(),
        false => lines.chunks(PIECE).collect(),
    };
    let (frames_cut, naive_messages) = receive(&pieces)?;

    let right =
        (0..=lines.len()).filter(|&at| cut(Framing::Lines, [&lines[..at], &lines[at..]]) == messages).count();
    let lost = |framing| {
        let whole = encode(framing, &messages);
        // A byte of the third message's payload.
        let at = encode(framing, &messages[..2]).len() + framing.prefix() + 3;
        let got = cut(framing, [&whole[..at], &whole[at + 1..]]);
        messages.iter().filter(|message| !got.contains(message)).count() as u64
    };
    let embedded =
        |framing| cut(framing, [&encode(framing, &[b"two\nlines".to_vec()])[..], b""]).len() as u64;
    let evidence = Evidence {
        frames_sent: FRAMES,
        frames_cut,
        naive_messages,
        splits_tried: lines.len() as u64 + 1,
        splits_right: right as u64,
        lines_lost: lost(Framing::Lines),
        u16_lost: lost(Framing::U16),
        embedded_lines: embedded(Framing::Lines),
        embedded_u16: embedded(Framing::U16),
        endless_refused_at: FrameDecoder::new(Framing::Lines, MAX_FRAME)
            .decode(&[b'x'; 1 << 16])
            .err()
            .map(|e| e.length),
    };
    Ok(finding(&evidence))
}

/// Sends each piece after the last has been read, so that pieces do not merge, and receives them both ways: with the
/// decoder, and taking each read for a message.
fn receive(pieces: &[&[u8]]) -> Result<(u64, u64), LessonError> {
    let (mut client, mut server) = connection()?;
    client.set_nodelay(true)?;
    let mut receiver = Receiver::new();
    let mut reads = 0;
    for piece in pieces {
        client.write_all(piece)?;
        let mut arrived = 0;
        while arrived < piece.len() {
            arrived += receiver.read_once(&mut server)?;
            reads += 1;
        }
    }
    Ok((receiver.frames, reads))
}

// [show]
/// The right way: keep what has arrived, cut every message that is whole, keep the rest.
struct Receiver {
    buffer: Buffer,
    decoder: FrameDecoder,
    frames: u64,
}

impl Receiver {
    fn read_once(&mut self, socket: &mut TcpStream) -> Result<usize, LessonError> {
        let mut chunk = [0; 4096];
        let read = socket.read(&mut chunk)?; // any piece of the stream
        self.buffer.append(&chunk[..read]).map_err(part)?;
        while let Some(frame) = self.decoder.decode(self.buffer.unread()).map_err(part)? {
            let used = frame.bytes.len(); // frame.payload is a message
            self.frames += 1;
            self.buffer.consume(used); // after this the frame is gone
        }
        Ok(read) // what is left is no message yet
    }
}
// [/show]

impl Receiver {
    fn new() -> Receiver {
        let buffer = Buffer::new(MAX_FRAME + 4096);
        Receiver { buffer, decoder: FrameDecoder::new(Framing::Lines, MAX_FRAME), frames: 0 }
    }
}

/// The payloads that come out of a stream which arrives in two pieces, up to where it cannot be cut any more.
fn cut(framing: Framing, pieces: [&[u8]; 2]) -> Vec<Vec<u8>> {
    let (mut buffer, mut decoder) = (Buffer::new(1 << 20), FrameDecoder::new(framing, MAX_FRAME));
    let mut payloads = Vec::new();
    for piece in pieces {
        buffer.append(piece).expect("the messages of this lesson are short");
        while let Ok(Some(frame)) = decoder.decode(buffer.unread()) {
            payloads.push(frame.payload.to_vec());
            let used = frame.bytes.len();
            buffer.consume(used);
        }
    }
    payloads
}

/// All messages as one stream. A newline inside a payload is written as it is, as a careless program does.
fn encode(framing: Framing, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut stream = Vec::new();
    for message in messages {
        if framing == Framing::U16 {
            stream.extend_from_slice(&(message.len() as u16).to_be_bytes());
        }
        stream.extend_from_slice(message);
        if framing == Framing::Lines {
            stream.push(b'\n');
        }
    }
    stream
}

fn finding(e: &Evidence) -> Finding {
    let after = e.frames_sent - 3;
    let finding = Finding::new(e)
        .table(
            Table::new([format!("{} messages sent in pieces of {PIECE} bytes", e.frames_sent), "messages seen".to_owned()])
                .row(["each read taken for a message".to_owned(), e.naive_messages.to_string()])
                .row(["cut at the newlines".to_owned(), e.frames_cut.to_string()]),
        )
        .table(
            Table::new(["", "newline behind", "length in front"])
                .row(["messages lost with one byte".to_owned(), e.lines_lost.to_string(), e.u16_lost.to_string()])
                .row([
                    "messages seen for one \"two\\nlines\"".to_owned(),
                    e.embedded_lines.to_string(),
                    e.embedded_u16.to_string(),
                ]),
        )
        .explain(format!(
            "The sender wrote {} messages. The program that took each read for a message saw {} of them, most with the end \
             of one and the beginning of the next. The one that kept what had arrived and cut at newlines saw {}. It did so \
             for {} of {} ways to split the stream in two. A message \
             that is to be kept is copied out of the buffer, since its place there is used again.",
            e.frames_sent, e.naive_messages, e.frames_cut, e.splits_right, e.splits_tried,
        ))
        .explain(format!(
            "One lost byte cost {} with newlines: the receiver finds its place again at the next newline. With lengths it \
             cost {}: the byte was in the third message, so its length reaches one byte into the fourth, what is read there \
             as the next length is text, and none of the {after} messages behind it was found. (TCP itself loses no byte; \
             a bug in a program does.)",
            count(e.lines_lost),
            count(e.u16_lost),
        ))
        .explain(format!(
            "The price of a newline: a payload must not contain one. The single message \"two\\nlines\" came out as {}; \
             with a length, as {}. And a line may have no end: the receiver would have to keep it for ever, an unbounded \
             queue on the receiving side. With a limit of {MAX_FRAME} bytes it was refused after {} bytes without a newline.",
            count(e.embedded_lines),
            count(e.embedded_u16),
            e.endless_refused_at.unwrap_or_default(),
        ))
        .claim(
            "every message is cut, and only messages",
            e.frames_cut == e.frames_sent,
            format!("{} sent, {} cut", e.frames_sent, e.frames_cut),
        )
        .claim(
            "reads are not messages",
            e.naive_messages != e.frames_sent,
            format!("{} reads for {} messages", e.naive_messages, e.frames_sent),
        )
        .claim(
            "wherever the stream is split, the messages are the same",
            e.splits_right == e.splits_tried,
            format!("{} of {} splits", e.splits_right, e.splits_tried),
        )
        .claim(
            "one lost byte costs 1 or 2 lines, but more behind a length",
            (1..=2).contains(&e.lines_lost) && e.u16_lost > 2,
            format!("{} and {}", count(e.lines_lost), count(e.u16_lost)),
        )
        .claim(
            "a delimiter in the payload cuts it in two, a length does not care",
            e.embedded_lines == 2 && e.embedded_u16 == 1,
            format!("{} and {}", count(e.embedded_lines), count(e.embedded_u16)),
        )
        .claim(
            "a line without an end is refused at the limit",
            e.endless_refused_at == Some(MAX_FRAME as u64 + 1),
            e.endless_refused_at.map_or_else(|| "accepted".to_owned(), |bytes| format!("refused after {bytes} bytes")),
        );
    match (e.lines_lost, e.u16_lost) {
        (1..=2, 1..=2) => finding.measured('a'),
        (1..=2, _) => finding.measured('b'),
        _ => finding.measured('c'),
    }
}

fn count(messages: u64) -> String {
    format!("{messages} message{}", if messages == 1 { "" } else { "s" })
}

fn part(error: impl std::error::Error) -> LessonError {
    LessonError::Part(error.to_string())
}

/// Messages sent.
const FRAMES: u64 = 20;

/// Bytes of a piece: shorter than a message and no divisor of one.
const PIECE: usize = 7;

/// The longest message accepted.
const MAX_FRAME: usize = 1024;
