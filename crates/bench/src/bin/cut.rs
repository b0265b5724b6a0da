//! How fast frames are cut from a buffer, without any socket: ours, tokio-util's codecs on `bytes`, and what a beginner writes.
//!
//! `echoctl-cut WAY SIZE for SECONDS` prints bytes a second; `echoctl-cut WAY SIZE frames COUNT` cuts so many frames and
//! prints nothing, for callgrind to count its instructions. Each way is given the same stream in the same pieces, as reads
//! would give it: 64 KiB less 7 bytes, so that pieces end within frames. Each looks at every frame's length, and no more.

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
            eprintln!("echoctl-cut: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let [way, size, unit, amount] = words else { bail!("usage: WAY SIZE for SECONDS|frames COUNT") };
    let size: usize = size.parse().context("SIZE")?;
    let stream = stream(if way.starts_with("u16") { Framing::U16 } else { Framing::Lines }, size);
    let mut way: Way = match *way {
        "lines-whole" => Box::new(whole(Framing::Lines)),
        "u16-whole" => Box::new(whole(Framing::U16)),
        "lines-each" => Box::new(each(Framing::Lines)),
        "u16-each" => Box::new(each(Framing::U16)),
        "lines-codec" => Box::new(codec(LinesCodec::new(), String::len)),
        "u16-codec" => {
            let codec_of_u16 = LengthDelimitedCodec::builder().length_field_type::<u16>().new_codec();
            Box::new(codec(codec_of_u16, |frame: &BytesMut| frame.len()))
        }
        "lines-concat" => Box::new(concat()),
        other => bail!("no such way: '{other}'"),
    };
    match *unit {
        "for" => {
            let time = Duration::from_secs_f64(amount.parse().context("SECONDS")?);
            println!("{:.0}", rate(&stream, &mut way, time));
        }
        "frames" => cut_frames(&stream, &mut way, amount.parse::<usize>().context("COUNT")? * size),
        _ => bail!("'{unit}' is neither `for` nor `frames`"),
    }
    Ok(())
}

/// Bytes a second.
fn rate(stream: &[u8], way: &mut dyn FnMut(&[u8]) -> usize, time: Duration) -> f64 {
    let (began, mut bytes) = (Instant::now(), 0);
    while began.elapsed() < time {
        for piece in stream.chunks(PIECE) {
            black_box(way(piece));
        }
        bytes += stream.len();
    }
    bytes as f64 / began.elapsed().as_secs_f64()
}

fn cut_frames(stream: &[u8], way: &mut dyn FnMut(&[u8]) -> usize, mut bytes: usize) {
    for piece in stream.chunks(PIECE).cycle() {
        let piece = &piece[..piece.len().min(bytes)];
        black_box(way(piece));
        bytes -= piece.len();
        if bytes == 0 {
            return;
        }
    }
}

/// All whole frames at once, as the echo server does: it has no need to look at each.
fn whole(framing: Framing) -> impl FnMut(&[u8]) -> usize {
    let mut buffer = Buffer::new(LIMIT);
    let mut decoder = FrameDecoder::new(framing, LIMIT);
    move |piece| {
        arrive(&mut buffer, piece);
        let whole = decoder.complete_len(buffer.unread()).expect("frames are shorter than the limit");
        buffer.consume(whole);
        whole
    }
}

/// Frame by frame, as the client does, and whoever has to look at each.
fn each(framing: Framing) -> impl FnMut(&[u8]) -> usize {
    let mut buffer = Buffer::new(LIMIT);
    let mut decoder = FrameDecoder::new(framing, LIMIT);
    move |piece| {
        arrive(&mut buffer, piece);
        let (mut payloads, mut cut) = (0, 0);
        while let Some(frame) =
            decoder.decode(&buffer.unread()[cut..]).expect("frames are shorter than the limit")
        {
            payloads += black_box(frame.payload).len();
            cut += frame.bytes.len();
        }
        buffer.consume(cut);
        payloads
    }
}

fn arrive(buffer: &mut Buffer, piece: &[u8]) {
    let room = buffer.spare(piece.len()).expect("a piece and what a frame leaves over fit");
    room[..piece.len()].copy_from_slice(piece);
    buffer.commit(piece.len());
}

/// tokio-util's way: a codec on a `BytesMut`.
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

/// What a beginner writes: put the old and the new together in a new array, look for a newline, cut the front off.
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

/// Frames of `size` bytes, marks included, about a MiB of them.
fn stream(framing: Framing, size: usize) -> Vec<u8> {
    let mut out = Buffer::new(STREAM + size);
    let payload = vec![b'x'; size - framing.overhead()];
    while out.len() < STREAM {
        framing.encode(&payload, &mut out).expect("it has room, and no newline");
    }
    out.unread().to_vec()
}

/// Takes a piece of the stream, and returns the bytes of the frames that it made whole.
type Way = Box<dyn FnMut(&[u8]) -> usize>;

/// Bytes that one read gives.
const PIECE: usize = 64 * 1024 - 7;

/// Bytes of the stream, which is given again and again: more than a piece, less than the processor's cache.
const STREAM: usize = 1 << 20;

/// Bytes that a buffer may hold.
const LIMIT: usize = 1 << 20;
