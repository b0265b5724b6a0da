//! `framing`: TCP delivers bytes, so message boundaries must be encoded in the bytes themselves. Compares delimiters with
//! length prefixes, decodes both correctly however the stream is split, and shows what one lost byte does to each.

use std::io::{Read, Write};
use std::net::TcpStream;

use echoctl_proto::{Buffer, FrameDecoder, Framing};
use echoctl_record::count;
use echoctl_report::Table;
use serde::Serialize;

use crate::kit::loopback::connection;
use crate::kit::{Code, Finding, Lesson, LessonError, Question, Setting};

/// The lesson.
pub(super) const LESSON: Lesson = Lesson {
    name: "framing",
    idea: "message boundaries in a stream: a delimiter or a length prefix",
    question: Question {
        text: "Twenty messages are sent twice, and each time one byte is lost on the way. In one run messages are \
               newline-delimited, in the other length-prefixed (two bytes). How many messages does the receiver lose?",
        choices: &[
            "one or two in both runs",
            "one or two with newlines; with length prefixes also all later messages",
            "all later messages in both runs",
        ],
    },
    code: Code {
        source: include_str!("framing.rs"),
        node: Some(
            "function cutMessage(buf) {\n    \
                 const idx = buf.data.subarray(0, buf.length).indexOf('\\n');\n    \
                 if (idx < 0) return null;                        // incomplete: more bytes are needed\n    \
                 const message = Buffer.from(buf.data.subarray(0, idx + 1));   // a copy, see below\n    \
                 bufPop(buf, idx + 1);\n    \
                 return message;\n\
             }\n\
             // The buffer is reused, so copy a message that you want to keep.\n\
             // In Rust the message borrows from the buffer, so code that uses it after consume() does not compile.",
        ),
    },
    next: &[
        ("echoctl lesson stream", "why reads are not messages in the first place"),
        ("echoctl lesson buffer", "the cost of buffering incomplete messages"),
        (
            "printf 'one\\ntwo\\n' | echoctl send --framing u16",
            "sends each line as a length-prefixed message (first start echoctl serve --framing u16)",
        ),
    ],
    before: None,
    run,
};

#[derive(Serialize)]
struct Evidence {
    frames_sent: u64,
    /// Messages decoded from a socket that delivered them in pieces.
    frames_cut: u64,
    /// Messages seen by a program that treats each read as one message.
    naive_messages: u64,
    /// Ways to split the stream in two that were tried in memory, and those that gave the same frames.
    splits_tried: u64,
    splits_right: u64,
    lines_lost: u64,
    u16_lost: u64,
    /// Messages decoded when one payload contains a newline: newline-delimited, length-prefixed.
    embedded_lines: u64,
    embedded_u16: u64,
    /// Bytes buffered when an endless line was refused.
    endless_refused_at: Option<u64>,
}

fn run(setting: &Setting) -> Result<Finding, LessonError> {
    let messages: Vec<Vec<u8>> = (1..=FRAMES).map(|n| format!("message {n}").into_bytes()).collect();
    let lines = encode(Framing::Lines, &messages);
    // Sabotage: complete messages arrive one by one, so the wrong program looks right.
    let pieces: Vec<&[u8]> = match setting.sabotage {
        true => lines.split_inclusive(|&byte| byte == b'\n').collect(),
        false => lines.chunks(PIECE).collect(),
    };
    let (frames_cut, naive_messages) = receive(&pieces)?;

    let right = (0..=lines.len())
        .filter(|&at| decode(Framing::Lines, [&lines[..at], &lines[at..]]) == messages)
        .count();
    let lost = |framing| {
        let whole = encode(framing, &messages);
        // A byte of the third message's payload.
        let at = encode(framing, &messages[..2]).len() + framing.prefix() + 3;
        let got = decode(framing, [&whole[..at], &whole[at + 1..]]);
        messages.iter().filter(|message| !got.contains(message)).count() as u64
    };
    let embedded =
        |framing| decode(framing, [&encode(framing, &[b"two\nlines".to_vec()])[..], b""]).len() as u64;
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

/// Sends each piece after the previous one has been read, so that pieces do not merge. Returns the number of frames that
/// the decoder found and the number of reads, which a naive program would treat as messages.
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
/// The right way: buffer what has arrived, decode every complete message, keep the rest.
struct Receiver {
    buffer: Buffer,
    decoder: FrameDecoder,
    frames: u64,
}

impl Receiver {
    fn read_once(&mut self, socket: &mut TcpStream) -> Result<usize, LessonError> {
        let mut chunk = [0; 4096];
        let read = socket.read(&mut chunk)?; // an arbitrary piece of the stream
        self.buffer.append(&chunk[..read]).map_err(part)?;
        while let Some(frame) = self.decoder.decode(self.buffer.unread()).map_err(part)? {
            let used = frame.bytes.len(); // frame.payload is a message
            self.frames += 1;
            self.buffer.consume(used); // from here on the buffer may reuse the frame's bytes
        }
        Ok(read) // the rest is not a complete message yet
    }
}
// [/show]

impl Receiver {
    fn new() -> Receiver {
        let buffer = Buffer::new(MAX_FRAME + 4096);
        Receiver { buffer, decoder: FrameDecoder::new(Framing::Lines, MAX_FRAME), frames: 0 }
    }
}

/// The payloads decoded from a stream that arrives in two pieces, up to the first decoding error.
fn decode(framing: Framing, pieces: [&[u8]; 2]) -> Vec<Vec<u8>> {
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

/// All messages as one stream. A newline inside a payload is written unescaped, as a careless program would do.
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
    let finding = Finding::new(e)
        .table(
            Table::new("", [format!("first, without loss: {} messages, in pieces of {PIECE} bytes", e.frames_sent), "messages received".to_owned()])
                .row(["each read treated as one message".to_owned(), e.naive_messages.to_string()])
                .row(["split at the newlines".to_owned(), e.frames_cut.to_string()]),
        )
        .table(
            Table::new("", ["then, in two runs", "newline-delimited", "length-prefixed"])
                .row(["messages lost by one missing byte".to_owned(), e.lines_lost.to_string(), e.u16_lost.to_string()])
                .row([
                    "received when \"two\\nlines\" was sent".to_owned(),
                    e.embedded_lines.to_string(),
                    e.embedded_u16.to_string(),
                ]),
        )
        .explain("In short: buffer what arrives, and let the bytes themselves mark where each message ends.")
        .explain(format!(
            "The sender wrote {} messages. The program that treats each read as one message saw {}, most of them with \
             the end of one message and the start of the next. The program that buffers what arrives and splits it at \
             newlines received {}. It found all of them wherever the stream was cut in two ({} of {} places). A message \
             together with its newline or its length is called a frame. The decoder reuses its buffer, so copy \
             a message that you want to keep.",
            e.frames_sent, e.naive_messages, e.frames_cut, e.splits_right, e.splits_tried,
        ))
        .explain(format!(
            "With newlines, one missing byte cost {}: the receiver resynchronises at the next newline. With length \
             prefixes it cost {}. The byte was missing from the third message, so the receiver used the first byte of \
             the fourth message as the end of the third. It read every later length from a wrong place, and never got \
             back in step: the {} messages after it were lost, too. (TCP itself loses no bytes. Bugs in programs do.)",
            count(e.lines_lost, "message"),
            count(e.u16_lost, "message"),
            e.u16_lost.saturating_sub(1),
        ))
        .explain(format!(
            "Delimiters have a price: a payload must not contain one. The single message \"two\\nlines\" arrived as {} with \
             newlines, and as {} with a length prefix. Also, a line may never end, and the receiver would have to buffer it \
             for ever. That is an unbounded queue on the receiving side. With a limit of {MAX_FRAME} bytes, it was refused \
             after {} bytes without a newline.",
            count(e.embedded_lines, "message"),
            count(e.embedded_u16, "message"),
            e.endless_refused_at.unwrap_or_default(),
        ))
        .claim(
            "the decoder finds every message and nothing else",
            e.frames_cut == e.frames_sent,
            format!("{} sent, {} received", e.frames_sent, e.frames_cut),
        )
        .claim(
            "reads are not messages",
            e.naive_messages != e.frames_sent,
            format!("{} reads for {} messages", e.naive_messages, e.frames_sent),
        )
        .claim(
            "the messages are the same wherever the stream is cut",
            e.splits_right == e.splits_tried,
            format!("{} of {} places", e.splits_right, e.splits_tried),
        )
        .claim(
            "one missing byte costs 1 or 2 lines, but more with length prefixes",
            (1..=2).contains(&e.lines_lost) && e.u16_lost > 2,
            format!("lines: {}, length prefixes: {}", count(e.lines_lost, "message"), count(e.u16_lost, "message")),
        )
        .claim(
            "a delimiter in the payload splits a line, but not a length-prefixed message",
            e.embedded_lines == 2 && e.embedded_u16 == 1,
            format!("lines: {}, length prefix: {}", count(e.embedded_lines, "message"), count(e.embedded_u16, "message")),
        )
        .claim(
            "an endless line is refused at the limit",
            e.endless_refused_at == Some(MAX_FRAME as u64 + 1),
            e.endless_refused_at.map_or_else(|| "accepted".to_owned(), |bytes| format!("refused after {bytes} bytes")),
        );
    match (e.lines_lost, e.u16_lost) {
        (1..=2, 1..=2) => finding.measured('a'),
        (1..=2, _) => finding.measured('b'),
        _ => finding.measured('c'),
    }
}

fn part(error: impl std::error::Error) -> LessonError {
    LessonError::Part(error.to_string())
}

/// Messages sent.
const FRAMES: u64 = 20;

/// Bytes per piece: fewer than a message has, and not a divisor of its length.
const PIECE: usize = 7;

/// Bytes of the longest message accepted.
const MAX_FRAME: usize = 1024;
