//! A client that gets frames which the tests write themselves.

mod connection;
mod streams;
mod windows;

use super::*;
use crate::frame::{
    ACK, FrameHeader, HEADER_LEN, HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, PADDED, PRIORITY,
};

/// A frame as the server sends it.
fn frame(kind: FrameKind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { length: payload.len() as u32, kind, flags, stream };
    [&header.encode(), payload].concat()
}

fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(FrameKind::Settings, 0, 0, &payload)
}

fn acknowledgement() -> Vec<u8> {
    frame(FrameKind::Settings, ACK, 0, &[])
}

/// A header with status 200, and nothing else.
fn headers(stream: u32, flags: u8) -> Vec<u8> {
    frame(FrameKind::Headers, END_HEADERS | flags, stream, &[0x88])
}

fn data(stream: u32, length: usize, flags: u8) -> Vec<u8> {
    frame(FrameKind::Data, flags, stream, &vec![b'x'; length])
}

fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(FrameKind::WindowUpdate, 0, stream, &increment.to_be_bytes())
}

/// A frame of the client: type, flags, stream and length.
type Written = (FrameKind, u8, u32, u32);

/// A client, what it reported, and the server's end of the test.
struct Pair {
    client: Client,
    /// Each event, shortened.
    events: Vec<String>,
}

impl Pair {
    /// A client with these windows whose server has sent empty SETTINGS and acknowledged the client's.
    fn new(config: Config) -> Pair {
        let mut pair = Pair { client: Client::new(config), events: Vec::new() };
        pair.receive(&settings(&[]));
        pair.receive(&acknowledgement());
        assert!(pair.client.is_ready());
        pair.events.clear();
        pair.written();
        pair
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.try_receive(bytes).unwrap();
    }

    fn try_receive(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let events = &mut self.events;
        self.client.receive(bytes, &mut |event| events.push(shortened(&event)))
    }

    fn open(&mut self, end: EndStream) -> StreamId {
        self.client.open(&REQUEST, end).unwrap()
    }

    /// Opens a stream whose response has begun.
    fn open_answered(&mut self, end: EndStream) -> StreamId {
        let stream = self.open(end);
        self.receive(&headers(stream.0, 0));
        self.written();
        self.events.clear();
        stream
    }

    /// The frames that the client has queued, which are sent by this.
    fn written(&mut self) -> Vec<Written> {
        self.written_payloads().into_iter().map(|(header, _)| header).collect()
    }

    fn written_payloads(&mut self) -> Vec<(Written, Vec<u8>)> {
        let output = self.client.output().to_vec();
        self.client.sent(output.len());
        let mut rest = output.strip_prefix(PREFACE).unwrap_or(&output);
        let mut frames = Vec::new();
        while let Some((header, tail)) = rest.split_first_chunk::<HEADER_LEN>() {
            let FrameHeader { length, kind, flags, stream } = FrameHeader::decode(*header);
            let (payload, tail) = tail.split_at(length as usize);
            frames.push(((kind, flags, stream, length), payload.to_vec()));
            rest = tail;
        }
        assert!(rest.is_empty());
        frames
    }
}

fn shortened(event: &Event<'_>) -> String {
    match event {
        Event::Headers { stream, status, end, .. } => format!("{stream}: {status} {end:?}"),
        Event::Data { stream, data, padding, end } => format!("{stream}: {} +{padding} {end:?}", data.len()),
        Event::Trailers { stream, fields } => format!("{stream}: {} trailers", fields.iter().count()),
        Event::Interim { stream, status } => format!("{stream}: interim {status}"),
        Event::Reset { stream, code } => format!("{stream}: reset {code}"),
        Event::GoAway { last_stream, code, debug } => {
            format!("go away after {last_stream}: {code} {}", debug.escape_ascii())
        }
        Event::Granted { stream } => format!("granted {}", stream.map_or(0, |stream| stream.0)),
        Event::Settings => "settings".into(),
        Event::Acknowledged => "acknowledged".into(),
    }
}

const REQUEST: Request<'_> =
    Request { method: "POST", scheme: "http", authority: "localhost", path: "/", fields: &[] };

const SMALL: Config = Config { initial_window: 100, connection_window: 0 };
