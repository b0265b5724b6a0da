//! A stream decoded piece by piece, each answer compared with that of the naive decoder.

use echoctl_proto::{Buffer, FrameDecoder, FrameTooLong, Framing};

use super::naive;

/// The question that is asked after a piece has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Query {
    /// Frame by frame, with `decode`.
    Decode,
    /// For the length of all complete frames, with `complete_len`.
    CompleteLen,
}

/// One piece of the stream, as one read might return it, and the question that follows.
pub(crate) type Piece<'a> = (&'a [u8], Query);

/// What came out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The complete frames, in order.
    pub(crate) frames: Vec<Vec<u8>>,
    /// The bytes that remain unread, or why the stream cannot be decoded any further.
    pub(crate) rest: Result<Vec<u8>, FrameTooLong>,
}

/// Decodes the pieces as they arrive, following the decoder's contract.
///
/// # Panics
/// If any answer differs from that of the naive decoder.
pub(crate) fn run(framing: Framing, max_frame: usize, pieces: &[Piece]) -> Outcome {
    let (mut buffer, mut decoder) = (Buffer::new(usize::MAX), FrameDecoder::new(framing, max_frame));
    let mut frames = Vec::new();
    for &(piece, query) in pieces {
        buffer.append(piece).expect("a buffer without a limit");
        let answer = match query {
            Query::Decode => decode(&mut decoder, &mut buffer, &mut frames),
            Query::CompleteLen => complete_len(&mut decoder, &mut buffer, &mut frames),
        };
        if let Err(too_long) = answer {
            return Outcome { frames, rest: Err(too_long) };
        }
    }
    Outcome { frames, rest: Ok(buffer.unread().to_vec()) }
}

/// Reads `input` as a maximum, a pattern of pieces and a stream, and runs it. For fuzzing.
///
/// ```text
/// byte 0          the maximum: one of MAXIMA
/// bytes 1 to 4    lengths of the pieces, in turn; the lowest bit selects the question that follows
/// the rest        the stream
/// ```
pub(crate) fn check(framing: Framing, input: &[u8]) {
    let Some((&[maximum, ref lengths @ ..], mut stream)) = input.split_first_chunk::<5>() else { return };
    let max_frame = MAXIMA[usize::from(maximum) % MAXIMA.len()];
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        // 1 to 128 bytes: each piece must shorten the stream, so that the loop ends.
        let (piece, later) = stream.split_at(stream.len().min(usize::from(length / 2) + 1));
        pieces.push((piece, if length % 2 == 0 { Query::Decode } else { Query::CompleteLen }));
        stream = later;
        if stream.is_empty() {
            break;
        }
    }
    run(framing, max_frame, &pieces);
}

/// Maxima that short inputs reach, and one that they never reach.
const MAXIMA: [usize; 6] = [0, 1, 5, 40, 300, usize::MAX];

fn decode(
    decoder: &mut FrameDecoder,
    buffer: &mut Buffer,
    frames: &mut Vec<Vec<u8>>,
) -> Result<(), FrameTooLong> {
    let (framing, max_frame) = (decoder.framing(), decoder.max_frame());
    loop {
        let expected = naive::first_end(framing, max_frame, buffer.unread());
        let answer = decoder.decode(buffer.unread());
        assert_eq!(
            answer.map(|frame| frame.map(|frame| frame.bytes.len())),
            expected,
            "{framing} {buffer:?}"
        );
        let Some(frame) = answer? else { return Ok(()) };
        assert_eq!(frame.payload, naive::payload(framing, frame.bytes));
        let length = frame.bytes.len();
        take(buffer, length, frames);
    }
}

fn complete_len(
    decoder: &mut FrameDecoder,
    buffer: &mut Buffer,
    frames: &mut Vec<Vec<u8>>,
) -> Result<(), FrameTooLong> {
    let (framing, max_frame) = (decoder.framing(), decoder.max_frame());
    loop {
        let expected = naive::complete_len(framing, max_frame, buffer.unread());
        let answer = decoder.complete_len(buffer.unread());
        assert_eq!(answer, expected, "{framing} {buffer:?}");
        let mut left = answer?;
        if left == 0 {
            return Ok(());
        }
        while left > 0 {
            let first = naive::first_end(framing, max_frame, &buffer.unread()[..left]);
            let length = first.ok().flatten().expect("a complete length covers complete frames");
            take(buffer, length, frames);
            left -= length;
        }
    }
}

fn take(buffer: &mut Buffer, length: usize, frames: &mut Vec<Vec<u8>>) {
    frames.push(buffer.unread()[..length].to_vec());
    buffer.consume(length);
}
