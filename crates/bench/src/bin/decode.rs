//! Speed of frame decoding without sockets: ours, tokio-util's codecs on `bytes`, and typical first code.
//!
//! `echoctl-decode METHOD SIZE for SECONDS` prints bytes per second. `echoctl-decode METHOD SIZE frames COUNT` decodes COUNT frames and
//! prints nothing, so that callgrind can count its instructions. Each method gets the same stream in the same pieces, as reads
//! would return it: 64 KiB less 7 bytes, so that pieces end within frames. Each only looks at the length of every frame.

use std::env;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use echoctl_proto::{Buffer, FrameDecoder, Framing};
use tokio_util::codec::{Decoder, LengthDelimitedCodec, LinesCodec};

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echoctl-decode: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let [method, size, unit, amount] = words else { bail!("usage: METHOD SIZE for SECONDS|frames COUNT") };
    let size: usize = size.parse().context("SIZE")?;
    let stream = stream(if method.starts_with("u16") { Framing::U16 } else { Framing::Lines }, size);
    let mut method: Method = match *method {
        "lines-complete" => Box::new(complete(Framing::Lines)),
        "u16-complete" => Box::new(complete(Framing::U16)),
        "lines-each" => Box::new(each(Framing::Lines)),
        "u16-each" => Box::new(each(Framing::U16)),
        "lines-codec" => Box::new(codec(LinesCodec::new(), String::len)),
        "u16-codec" => {
            let codec_of_u16 = LengthDelimitedCodec::builder().length_field_type::<u16>().new_codec();
            Box::new(codec(codec_of_u16, |frame: &BytesMut| frame.len()))
        }
        "lines-concat" => Box::new(concat()),
        other => bail!("unknown method '{other}'"),
    };
    match *unit {
        "for" => {
            let time = Duration::from_secs_f64(amount.parse().context("SECONDS")?);
            println!("{:.0}", rate(&stream, &mut method, time));
        }
        "frames" => decode_frames(&stream, &mut method, amount.parse::<usize>().context("COUNT")? * size),
        _ => bail!("'{unit}' is neither `for` nor `frames`"),
    }
    Ok(())
}

/// Bytes per second.
fn rate(stream: &[u8], method: &mut dyn FnMut(&[u8]) -> usize, time: Duration) -> f64 {
    let (began, mut bytes) = (Instant::now(), 0);
    while began.elapsed() < time {
        for piece in stream.chunks(PIECE) {
            black_box(method(piece));
        }
        bytes += stream.len();
    }
    bytes as f64 / began.elapsed().as_secs_f64()
}

fn decode_frames(stream: &[u8], method: &mut dyn FnMut(&[u8]) -> usize, mut bytes: usize) {
    for piece in stream.chunks(PIECE).cycle() {
        let piece = &piece[..piece.len().min(bytes)];
        black_box(method(piece));
        bytes -= piece.len();
        if bytes == 0 {
            return;
        }
    }
}

/// All complete frames in one step, as the echo server does: it need not look at each of them.
fn complete(framing: Framing) -> impl FnMut(&[u8]) -> usize {
    let mut buffer = Buffer::new(LIMIT);
    let mut decoder = FrameDecoder::new(framing, LIMIT);
    move |piece| {
        arrive(&mut buffer, piece);
        let complete = decoder.complete_len(buffer.unread()).expect("frames are shorter than the limit");
        buffer.consume(complete);
        complete
    }
}

/// Frame by frame, as the client does, and any program that looks at each frame.
fn each(framing: Framing) -> impl FnMut(&[u8]) -> usize {
    let mut buffer = Buffer::new(LIMIT);
    let mut decoder = FrameDecoder::new(framing, LIMIT);
    move |piece| {
        arrive(&mut buffer, piece);
        let (mut payloads, mut decoded) = (0, 0);
        while let Some(frame) =
            decoder.decode(&buffer.unread()[decoded..]).expect("frames are shorter than the limit")
        {
            payloads += black_box(frame.payload).len();
            decoded += frame.bytes.len();
        }
        buffer.consume(decoded);
        payloads
    }
}

fn arrive(buffer: &mut Buffer, piece: &[u8]) {
    let room = buffer.spare(piece.len()).expect("a piece and the rest of a frame fit");
    room[..piece.len()].copy_from_slice(piece);
    buffer.commit(piece.len());
}

/// tokio-util: a codec on a `BytesMut`.
fn codec<C: Decoder>(mut codec: C, len: fn(&C::Item) -> usize) -> impl FnMut(&[u8]) -> usize
where
    C::Error: std::fmt::Debug,
{
    let mut buffer = BytesMut::with_capacity(PIECE);
    move |piece| {
        buffer.extend_from_slice(piece);
        let mut payloads = 0;
        while let Some(frame) = codec.decode(&mut buffer).expect("the stream is well-formed") {
            payloads += len(black_box(&frame));
        }
        payloads
    }
}

/// Typical first code: concatenate the old and the new into a new array, find a newline, copy the rest.
fn concat() -> impl FnMut(&[u8]) -> usize {
    let mut buffer: Vec<u8> = Vec::new();
    move |piece| {
        buffer = [buffer.as_slice(), piece].concat();
        let mut payloads = 0;
        while let Some(newline) = buffer.iter().position(|byte| *byte == b'\n') {
            payloads += black_box(&buffer[..newline]).len();
            buffer = buffer[newline + 1..].to_vec();
        }
        payloads
    }
}

/// About 1 MiB of frames of `size` bytes each, framing overhead included.
fn stream(framing: Framing, size: usize) -> Vec<u8> {
    let mut out = Buffer::new(STREAM + size);
    let payload = vec![b'x'; size - framing.overhead()];
    while out.len() < STREAM {
        framing.encode(&payload, &mut out).expect("it has room, and no newline");
    }
    out.unread().to_vec()
}

/// Accepts a piece of the stream and returns the bytes of the frames that it completed.
type Method = Box<dyn FnMut(&[u8]) -> usize>;

/// Bytes that one read returns.
const PIECE: usize = 64 * 1024 - 7;

/// Bytes of the stream, which is repeated: more than a piece, less than the processor's cache.
const STREAM: usize = 1 << 20;

/// Bytes that a buffer may hold at most.
const LIMIT: usize = 1 << 20;
