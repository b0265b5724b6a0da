//! A server's bytes, received in any pieces: what the client makes of them depends on the bytes only, and stays within its limits.

use echoctl_http2::{Client, Config, EndStream, Event, Request, StreamId, Violation};

use super::bytes::{ACK, SETTINGS, frame};

/// Reads `input` as a client's state and a server's bytes, and receives these in several splits. For fuzzing.
///
/// ```text
/// byte 0          bits 0-2: number of open streams; 3: the requests have ended; 4-5: the windows, one of WINDOWS;
///                 7: the server's SETTINGS and acknowledgement have come
/// bytes 1 to 3    lengths of the pieces, in turn
/// the rest        the server's bytes
/// ```
pub(crate) fn check(input: &[u8]) {
    let Some((&[state, ref lengths @ ..], bytes)) = input.split_first_chunk::<4>() else { return };
    let whole = run(state, [bytes].into_iter());
    assert_eq!(run(state, bytes.chunks(1)), whole, "byte by byte");
    assert_eq!(run(state, pieces(bytes, *lengths)), whole, "in pieces");
}

/// The windows, from none to the largest.
const WINDOWS: [u32; 4] = [0, 100, 65_535, i32::MAX as u32];

/// What came of a server's bytes.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    heard: Vec<Heard>,
    violation: Option<Violation>,
    output: Vec<u8>,
    credit: u64,
    open_streams: usize,
}

/// An event, with everything that it says.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// Data of one stream, of which each split makes other pieces.
    Data {
        stream: StreamId,
        data: Vec<u8>,
        padding: u32,
        ended: bool,
    },
    Other(String),
}

/// Receives the pieces, one after the other.
fn run<'a>(state: u8, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let windows = WINDOWS[usize::from(state >> 4 & 3)];
    let mut client = Client::new(Config { initial_window: windows, connection_window: windows });
    let end = if state & 8 == 0 { EndStream::No } else { EndStream::Yes };
    let request = Request { method: "GET", scheme: "http", authority: "localhost", path: "/", fields: &[] };
    let streams: Vec<StreamId> = (0..state & 7).filter_map(|_| client.open(&request, end)).collect();
    if state & 0x80 != 0 {
        let begun = [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat();
        client.receive(&begun, &mut |_| {}).expect("the beginning is valid");
    }
    let (before, credit) = (client.output().len(), client.credit());
    let mut heard = Vec::new();
    let violation = pieces
        .map(|piece| client.receive(piece, &mut |event| hear(&event, &mut heard)))
        .find_map(Result::err);
    let received: u64 = heard.iter().map(Heard::window_bytes).sum();
    assert!(received <= credit, "{received} bytes came within a credit of {credit}");
    // All answers that the server may demand, one beyond, and GOAWAY.
    assert!(client.output().len() - before <= 64 * 1024 + 17 + 17);
    assert!(client.open_streams() <= streams.len());
    let (credit, open_streams) = (client.credit(), client.open_streams());
    Outcome { heard, violation, output: client.output().to_vec(), credit, open_streams }
}

impl Heard {
    /// What counts against the windows.
    fn window_bytes(&self) -> u64 {
        match self {
            Heard::Data { data, padding, .. } => data.len() as u64 + u64::from(*padding),
            Heard::Other(_) => 0,
        }
    }
}

fn hear(event: &Event<'_>, heard: &mut Vec<Heard>) {
    let &Event::Data { stream, data, padding, end } = event else {
        heard.push(Heard::Other(format!("{event:?}")));
        return;
    };
    match heard.last_mut() {
        Some(Heard::Data { stream: last, data: bytes, padding: sum, ended })
            if *last == stream && !*ended =>
        {
            bytes.extend_from_slice(data);
            *sum += padding;
            *ended = end == EndStream::Yes;
        }
        _ => heard.push(Heard::Data { stream, data: data.to_vec(), padding, ended: end == EndStream::Yes }),
    }
}

/// `bytes` in pieces of these lengths, in turn; each has at least one byte.
fn pieces(mut bytes: &[u8], lengths: [u8; 3]) -> impl Iterator<Item = &[u8]> {
    lengths.into_iter().cycle().map_while(move |length| {
        let (piece, rest) = bytes.split_at(bytes.len().min(usize::from(length) + 1));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
