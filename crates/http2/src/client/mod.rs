//! The client's end of one connection.

mod field_blocks;
mod incoming;
mod output;
mod peer;
mod streams;

use std::collections::BTreeMap;

use crate::frame::{
    DEFAULT_WINDOW, ENABLE_PUSH, END_HEADERS, END_STREAM, FrameKind, FrameReader, INITIAL_WINDOW_SIZE,
    MAX_31_BITS, MAX_HEADER_LIST_SIZE, PREFACE,
};
use crate::{EndStream, Event, Request, StreamId, Violation, hpack};

use field_blocks::FieldBlocks;
use output::{Cause, Output};
use peer::PeerSettings;
use streams::{MAX_STREAMS, Response, Streams};

/// The windows with which a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How many bytes of DATA the server may send on each stream until the client grants more (SETTINGS_INITIAL_WINDOW_SIZE), at most 2^31-1.
    pub initial_window: u32,
    /// The same for all streams together, at most 2^31-1. It cannot be less than 65,535, the protocol's default.
    pub connection_window: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config { initial_window: DEFAULT_WINDOW, connection_window: DEFAULT_WINDOW }
    }
}

/// A client's end of an HTTP/2 connection.
///
/// # Limits
/// A frame has at most 16 KiB, a field block 256 KiB with the headers of its frames, and as much when decoded. At most 64 KiB of answers that
/// the server demands (to PING and SETTINGS) wait to be sent, and about as much of the user's own frames. At most 100,000 streams are open.
#[derive(Debug)]
pub struct Client {
    reader: FrameReader,
    state: State,
    violation: Option<Violation>,
}

/// All of a client except the reader, whose buffer a frame borrows while it changes the rest.
#[derive(Debug)]
struct State {
    output: Output,
    blocks: FieldBlocks,
    streams: Streams,
    peer: PeerSettings,
    /// DATA that the client may send on all streams together.
    send_window: i64,
    /// DATA that the server may send on all streams together.
    receive_window: i64,
    /// Grants that wait until there is room for them in the output: streams (0 is the connection) and bytes. At most one per stream.
    deferred_grants: BTreeMap<u32, u32>,
    /// The initial window that the client announced.
    receive_initial: u32,
    is_ready: bool,
    /// SETTINGS of ours that the server has not acknowledged. The first of them carries the initial window.
    unacknowledged_settings: u64,
    is_initial_window_acknowledged: bool,
    /// Our PINGs that the server has not answered.
    unanswered_pings: u64,
    /// The last stream of the latest GOAWAY.
    last_stream: Option<u32>,
    /// The encoder has said that it uses no dynamic table.
    has_emptied_table: bool,
}

impl Client {
    /// Begins a connection. The preface, SETTINGS (no pushes, the initial window, a limit of the fields' size) and the connection's window
    /// are the first bytes of the output.
    pub fn new(config: Config) -> Client {
        let initial_window = config.initial_window.min(MAX_31_BITS);
        let mut output = Output::default();
        output.raw(PREFACE);
        let settings = [
            (ENABLE_PUSH, 0),
            (INITIAL_WINDOW_SIZE, initial_window),
            (MAX_HEADER_LIST_SIZE, field_blocks::MAX_FIELDS as u32),
        ];
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| id.to_be_bytes().into_iter().chain(value.to_be_bytes()))
            .collect();
        output.frame(FrameKind::Settings, 0, 0, &settings, Cause::User);
        let peer = PeerSettings::new();
        let state = State {
            output,
            blocks: FieldBlocks::new(),
            streams: Streams::new(peer.initial_window),
            peer,
            send_window: i64::from(DEFAULT_WINDOW),
            receive_window: i64::from(DEFAULT_WINDOW),
            deferred_grants: BTreeMap::new(),
            receive_initial: initial_window,
            is_ready: false,
            unacknowledged_settings: 1,
            is_initial_window_acknowledged: false,
            unanswered_pings: 0,
            last_stream: None,
            has_emptied_table: false,
        };
        let mut client = Client { reader: FrameReader::new(), state, violation: None };
        client.grant(None, config.connection_window.saturating_sub(DEFAULT_WINDOW));
        client
    }

    /// Takes bytes of the server, split anywhere, and reports what they say. Answers to SETTINGS and PING are queued. DATA is passed on
    /// without a copy, as far as it has come.
    ///
    /// # Errors
    /// What the server did that it must not, after the events before it. A GOAWAY that tells it so is queued, once; nothing is
    /// accepted afterwards, and the same violation is returned again.
    pub fn receive(&mut self, bytes: &[u8], event: &mut dyn FnMut(Event<'_>)) -> Result<(), Violation> {
        if let Some(violation) = &self.violation {
            return Err(violation.clone());
        }
        let result = self.take_all(bytes, event);
        if let Err(violation) = &result {
            self.state.give_up(violation);
            self.violation = Some(violation.clone());
        }
        result
    }

    /// Whether the server's SETTINGS have come, which it sends first.
    pub fn is_ready(&self) -> bool {
        self.state.is_ready
    }

    /// What is to be written to the server next.
    pub fn output(&self) -> &[u8] {
        self.state.output.pending()
    }

    /// Removes the first `count` bytes of the output, which have been written.
    pub fn sent(&mut self, count: usize) {
        self.state.output.sent(count);
        self.state.send_deferred_grants();
    }

    /// Sends a request; its data follows unless the stream ends here. `None` if the server permits no further stream now
    /// ([`max_streams`](Client::max_streams)), never again (it sent GOAWAY, or all numbers are used up), or 64 KiB of output wait to be written.
    pub fn open(&mut self, request: &Request<'_>, end: EndStream) -> Option<StreamId> {
        let is_permitted = self.open_streams() < self.max_streams() as usize
            && self.is_usable()
            && self.state.last_stream.is_none();
        if !is_permitted || self.state.output.room() == 0 {
            return None;
        }
        let stream = self.state.streams.open(end == EndStream::Yes)?;
        self.state.send_request(stream, request, end);
        Some(stream)
    }

    /// Sends the beginning of `bytes` as data, as much as both windows and 64 KiB of output permit, and returns how much that is. With
    /// [`EndStream::Yes`] the stream ends once all bytes are accepted. On a stream that is not open, or that the client has ended, nothing is accepted.
    pub fn send_data(&mut self, stream: StreamId, bytes: &[u8], end: EndStream) -> usize {
        let permitted = self.can_send(stream).min(self.state.output.room() as u64) as usize;
        let is_sending =
            self.is_usable() && self.state.streams.get(stream).is_some_and(|found| !found.is_sent);
        if !is_sending {
            return 0;
        }
        let accepted = permitted.min(bytes.len());
        let ends = end == EndStream::Yes && accepted == bytes.len();
        self.state.send_data(stream, &bytes[..accepted], ends);
        accepted
    }

    /// Sends a PING, which the server has to answer, unless 64 KiB of output wait to be written. Returns whether it did.
    pub fn ping(&mut self) -> bool {
        let has_room = self.is_usable() && self.state.output.room() > 0;
        if has_room {
            self.state.unanswered_pings += 1;
            self.state.output.frame(
                FrameKind::Ping,
                0,
                0,
                &self.state.unanswered_pings.to_be_bytes(),
                Cause::User,
            );
        }
        has_room
    }

    /// Sends SETTINGS that change nothing, which the server has to acknowledge, unless 64 KiB of output wait to be written. Returns
    /// whether it did.
    pub fn settings(&mut self) -> bool {
        let has_room = self.is_usable() && self.state.output.room() > 0;
        if has_room {
            self.state.unacknowledged_settings += 1;
            self.state.output.frame(FrameKind::Settings, 0, 0, &[], Cause::User);
        }
        has_room
    }

    /// Permits the server to send this many bytes of DATA more on a stream, or on the connection (`None`). It needs both. A window
    /// ends at 2^31-1: what exceeds that is not granted. A stream whose response has ended gets nothing. While 64 KiB of output wait to be written
    /// the grant waits too, and becomes one with those after it: a server can send tiny frames without reading what they cost us.
    pub fn grant(&mut self, stream: Option<StreamId>, bytes: u32) {
        if self.is_usable() {
            self.state.grant(stream.map_or(0, |stream| stream.0), bytes);
        }
    }

    /// DATA in bytes that the server may still send: what its connection's window permits, and not more than the windows of the open
    /// streams together.
    pub fn credit(&self) -> u64 {
        let initial = self.state.stream_receive_initial();
        let streams: i64 =
            self.state.streams.receive_balances().map(|balance| (initial + balance).max(0)).sum();
        streams.min(self.state.receive_window).max(0) as u64
    }

    /// DATA in bytes that both windows permit to send on a stream now; 0 if it is not open or the client has ended it.
    pub fn can_send(&self, stream: StreamId) -> u64 {
        let Some(found) = self.state.streams.get(stream).filter(|found| !found.is_sent && self.is_usable())
        else {
            return 0;
        };
        self.state.streams.send_window(found).min(self.state.send_window).max(0) as u64
    }

    /// Number of streams that are open: at least one side has not ended them.
    pub fn open_streams(&self) -> usize {
        self.state.streams.count()
    }

    /// Number of streams that may be open at a time: what the server permits, at most 100,000.
    pub fn max_streams(&self) -> u32 {
        self.state.peer.max_streams.min(MAX_STREAMS)
    }

    fn take_all(&mut self, mut bytes: &[u8], event: &mut dyn FnMut(Event<'_>)) -> Result<(), Violation> {
        while let Some(piece) = self.reader.next(&mut bytes)? {
            self.state.take(piece, event)?;
        }
        Ok(())
    }

    /// Whether the server has violated nothing so far.
    fn is_usable(&self) -> bool {
        self.violation.is_none()
    }
}

impl State {
    /// Queues a request's HEADERS, and CONTINUATION frames where the fields exceed the server's maximum of a frame.
    fn send_request(&mut self, stream: StreamId, request: &Request<'_>, end: EndStream) {
        let mut block = Vec::new();
        if self.peer.smallest_table < hpack::TABLE_SIZE as u32 && !self.has_emptied_table {
            // The decoder waits for our consent to its smaller table (RFC 7541, section 4.2); we need none at all.
            block.push(hpack::EMPTY_TABLE);
            self.has_emptied_table = true;
        }
        request.encode(&mut block);
        let mut kind = FrameKind::Headers;
        let mut flags = if end == EndStream::Yes { END_STREAM } else { 0 };
        let mut rest = &block[..];
        loop {
            let (payload, tail) = rest.split_at(rest.len().min(self.peer.max_frame as usize));
            rest = tail;
            if rest.is_empty() {
                flags |= END_HEADERS;
            }
            self.output.frame(kind, flags, stream.0, payload, Cause::User);
            if rest.is_empty() {
                return;
            }
            (kind, flags) = (FrameKind::Continuation, 0);
        }
    }

    /// Queues data within the windows.
    fn send_data(&mut self, stream: StreamId, bytes: &[u8], ends: bool) {
        self.send_window -= bytes.len() as i64;
        self.streams.spend(stream, bytes.len());
        let mut frames = bytes.chunks(self.peer.max_frame as usize).peekable();
        while let Some(payload) = frames.next() {
            let flags = if ends && frames.peek().is_none() { END_STREAM } else { 0 };
            self.output.frame(FrameKind::Data, flags, stream.0, payload, Cause::User);
        }
        if ends {
            if bytes.is_empty() {
                self.output.frame(FrameKind::Data, END_STREAM, stream.0, &[], Cause::User);
            }
            self.streams.end_request(stream);
        }
    }

    /// Widens a window for the server (0 is the connection's), now or once the output has room.
    fn grant(&mut self, stream: u32, bytes: u32) {
        if self.output.room() > 0 {
            self.send_grant(stream, bytes);
        } else if bytes > 0 {
            let deferred = self.deferred_grants.entry(stream).or_default();
            *deferred = deferred.saturating_add(bytes);
        }
    }

    fn send_deferred_grants(&mut self) {
        while self.output.room() > 0
            && let Some((stream, bytes)) = self.deferred_grants.pop_first()
        {
            self.send_grant(stream, bytes);
        }
    }

    /// Widens a window for the server, as far as windows go.
    fn send_grant(&mut self, stream: u32, bytes: u32) {
        let initial = self.stream_receive_initial();
        let increment = if stream == 0 {
            let increment = grantable(self.receive_window, bytes);
            self.receive_window += i64::from(increment);
            increment
        } else {
            let found =
                self.streams.get_mut(StreamId(stream)).filter(|found| found.response != Response::Ended);
            found.map_or(0, |found| {
                let increment = grantable(initial + found.receive_balance, bytes);
                found.receive_balance += i64::from(increment);
                increment
            })
        };
        if increment > 0 {
            self.output.frame(FrameKind::WindowUpdate, 0, stream, &increment.to_be_bytes(), Cause::User);
        }
    }

    /// The initial size of the windows for the server. Until it acknowledges ours it may assume the protocol's default.
    fn stream_receive_initial(&self) -> i64 {
        let announced = i64::from(self.receive_initial);
        if self.is_initial_window_acknowledged { announced } else { announced.max(i64::from(DEFAULT_WINDOW)) }
    }

    /// Tells the server why nothing more is accepted.
    fn give_up(&mut self, violation: &Violation) {
        let last_stream = 0_u32.to_be_bytes();
        let payload = [last_stream, violation.code().0.to_be_bytes()].concat();
        self.output.frame(FrameKind::GoAway, 0, 0, &payload, Cause::User);
    }
}

/// How much of `bytes` a window can still be widened by.
fn grantable(window: i64, bytes: u32) -> u32 {
    let room = i64::from(MAX_31_BITS) - window;
    i64::from(bytes.min(MAX_31_BITS)).min(room).max(0) as u32
}

#[cfg(test)]
mod tests;
