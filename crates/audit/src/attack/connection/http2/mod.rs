//! An HTTP/2 session over a [`Channel`]: requests, their data as payload, and the windows that hold a server back.
//!
//! A client that reads grants the server as much as it reads. A slow reader that holds does one of two things, as its script says: it
//! reads nothing from the channel, or it reads, answers what the protocol demands, and grants nothing. What comes then is bounded by the
//! windows, and kept for the drain.

mod answers;
mod requests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use echoctl_http2::{Client, EndStream, StreamId, Violation};
use echoctl_record::{DisconnectKind, Responses};

use super::channel::Channel;
use super::fault::Fault;
use crate::Http2Error;
use crate::attack::first_bytes::FirstBytes;
use crate::script::{Flood, Stall};
use answers::Answers;
pub(in crate::attack) use requests::{Http2Requests, Role};

/// One session.
#[derive(Debug)]
pub(super) struct Http2Session {
    client: Client,
    requests: Arc<Http2Requests>,
    role: Role,
    /// Whether the requests were begun, and those that are still to be opened.
    left_to_open: Option<u32>,
    /// Whether nothing is granted now.
    is_holding: bool,
    answers: Answers,
    /// The stream of the stimulus that was sent last, and how many of its bytes are still to be sent.
    current: Option<(StreamId, u64)>,
    probed: Option<Instant>,
    first: FirstBytes,
    buffer: Vec<u8>,
}

impl Http2Session {
    /// A session that has sent nothing yet.
    pub(super) fn new(requests: Arc<Http2Requests>, role: Role) -> Http2Session {
        Http2Session {
            client: Client::new(requests.windows(role)),
            role,
            left_to_open: None,
            is_holding: role == Role::SlowReader,
            answers: Answers::default(),
            current: None,
            probed: None,
            first: FirstBytes::default(),
            buffer: vec![0; READ],
            requests,
        }
    }

    /// Exchanges the SETTINGS as far as possible without waiting. Returns whether that is done.
    ///
    /// # Errors
    /// The reason for which there will be no session.
    pub(super) fn shake_hands(&mut self, channel: &mut Channel) -> Result<bool, Http2Error> {
        self.flush(channel);
        while !self.client.is_ready() {
            let is_closed = channel.closed().is_some();
            match self.receive(channel) {
                Ok(0) if is_closed => return Err(self.closed_early()),
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(fault) => return Err(self.explain(fault)),
            }
        }
        self.flush(channel);
        Ok(!self.has_queued())
    }

    /// What is sent from now on is the stimulus, and a slow reader grants nothing.
    pub(super) fn hold(&mut self) {
        self.is_holding = self.role == Role::SlowReader;
    }

    /// Goes on without waiting: opens the requests that are due, sends their bodies, and reads what the stall permits.
    ///
    /// # Errors
    /// How the session ended, other than regularly.
    pub(super) fn go_on(&mut self, channel: &mut Channel) -> Result<(), Fault> {
        self.send_due(channel);
        if self.reads_while_holding() {
            self.receive_all(channel)?;
        }
        Ok(())
    }

    /// Begins the requests, if that was not done. The first of them are opened at once.
    pub(super) fn begin(&mut self) {
        if self.left_to_open.is_none() {
            self.left_to_open = Some(self.requests.streams(self.role));
            self.open_requests();
        }
    }

    /// Sends what is accepted of `bytes` as data of the requests, each stimulus on one of them; returns 0 if nothing is now.
    pub(super) fn write(&mut self, channel: &mut Channel, bytes: &[u8]) -> usize {
        self.begin();
        self.flush(channel);
        let mut sent = 0;
        while sent < bytes.len() && !self.has_queued() {
            let Some((stream, left)) = self.stream_to_send() else { break };
            let rest = &bytes[sent..];
            let count = self.client.send_data(stream, &rest[..rest.len().min(left as usize)], EndStream::No);
            if count == 0 {
                break;
            }
            sent += count;
            self.current = Some((stream, left - count as u64));
            self.flush(channel);
        }
        sent
    }

    /// Sends frames of a flood, at most about `bytes` of them. Returns how many bytes; 0 if none is accepted now.
    pub(super) fn flood(&mut self, channel: &mut Channel, flood: Flood, bytes: u64) -> usize {
        self.begin();
        self.flush(channel);
        let mut sent = 0;
        while (sent as u64) < bytes && !self.has_queued_much() {
            let before = self.client.output().len();
            let is_sent = match flood {
                Flood::Ping => self.client.ping(),
                Flood::Settings => self.client.settings(),
                Flood::Requests => {
                    let stream = self.requests.open(&mut self.client);
                    stream.inspect(|stream| self.answers.begin(*stream)).is_some()
                }
            };
            if !is_sent {
                break;
            }
            sent += self.client.output().len() - before;
        }
        self.flush(channel);
        sent
    }

    /// The frames that are to be repeated.
    pub(super) fn floods(&self) -> Option<Flood> {
        self.requests.flood(self.role)
    }

    /// Reads payload that has arrived into `buffer`, and grants it; returns 0 if none has.
    ///
    /// # Errors
    /// As [`go_on`](Http2Session::go_on).
    pub(super) fn read(&mut self, channel: &mut Channel, buffer: &mut [u8]) -> Result<usize, Fault> {
        if self.is_holding {
            self.is_holding = false;
            self.open_windows();
        }
        self.send_due(channel);
        if self.answers.kept.is_empty() {
            self.receive_until_kept(channel)?;
        }
        requests::grant(&mut self.client, &mut self.answers.owed);
        self.flush(channel);
        let count = std::io::Read::read(&mut self.answers.kept, buffer).unwrap_or(0);
        Ok(count)
    }

    /// Takes from the channel what belongs to the exchange of SETTINGS and came after it.
    ///
    /// # Errors
    /// As [`go_on`](Http2Session::go_on).
    pub(super) fn settle(&mut self, channel: &mut Channel) -> Result<(), Fault> {
        self.receive_all(channel)
    }

    /// Whether something waits until the channel accepts it.
    pub(super) fn has_queued(&self) -> bool {
        !self.client.output().is_empty()
    }

    /// Whether more is to be read although nothing is asked for.
    pub(super) fn reads_while_holding(&self) -> bool {
        self.is_holding && self.requests.stall() != Stall::Tcp && self.answers.kept.len() < MOST_KEPT
    }

    /// Payload that came and was not passed on.
    pub(super) fn kept(&self) -> u64 {
        self.answers.kept.len() as u64
    }

    /// Data that the server may still send, as far as is known from what was read; `None` if it has no request to answer.
    pub(super) fn credit(&self) -> Option<u64> {
        (!self.answers.open.is_empty()).then(|| self.client.credit())
    }

    /// Bytes that the server permits to be sent on in the requests, as far as is known from what was read; `None` if it has none to answer.
    pub(super) fn input_credit(&self) -> Option<u64> {
        let permitted = |stream: &StreamId| self.client.can_send(*stream);
        (!self.answers.open.is_empty()).then(|| self.answers.open.keys().map(permitted).sum())
    }

    /// How many requests were answered; `None` if there was none, or no answer could be read so far.
    pub(super) fn responses(&self) -> Option<Responses> {
        let is_unread = self.is_holding && !self.reads_while_holding();
        Some(self.answers.responses()).filter(|responses| responses.requests > 0 && !is_unread)
    }

    /// Whether the response to a question is complete.
    pub(super) fn is_answered(&self) -> bool {
        self.answers.are_over()
    }

    /// What the server said about the connection.
    pub(super) fn said(&self) -> Option<String> {
        self.answers.said()
    }

    /// Whether enough waits, so that nothing is added.
    fn has_queued_much(&self) -> bool {
        self.client.output().len() >= MOST_QUEUED
    }

    /// Sends what is due: requests, their bodies, and what waits.
    fn send_due(&mut self, channel: &mut Channel) {
        self.flush(channel);
        self.open_requests();
        self.send_bodies();
        self.probe();
        self.flush(channel);
    }

    /// Opens the requests that are still to be opened, as far as the server permits.
    fn open_requests(&mut self) {
        while let Some(left @ 1..) = self.left_to_open {
            if let Some(stream) = self.requests.open(&mut self.client) {
                self.answers.begin(stream);
                self.left_to_open = Some(left - 1);
            } else {
                if !self.has_queued() {
                    // The server permits no more of them.
                    self.left_to_open = Some(0);
                }
                return;
            }
        }
    }

    fn send_bodies(&mut self) {
        for (stream, sent) in &mut self.answers.open {
            *sent = self.requests.send_body(&mut self.client, *stream, *sent);
        }
    }

    /// Requests another path once a second.
    fn probe(&mut self) {
        let Some(path) = self.requests.probe(self.role).filter(|_| self.left_to_open.is_some()) else {
            return;
        };
        let now = Instant::now();
        if self.probed.is_none_or(|probed| now - probed >= BETWEEN_PROBES) {
            self.probed = Some(now);
            self.requests.open_probe(&mut self.client, path);
        }
    }

    /// The stream on which the stimulus goes on, or on which the next one is sent, and how many bytes of it are to be sent.
    fn stream_to_send(&mut self) -> Option<(StreamId, u64)> {
        let open = &self.answers.open;
        if let Some((stream, left)) =
            self.current.filter(|(stream, left)| open.contains_key(stream) && *left > 0)
        {
            return Some((stream, left));
        }
        let (client, unit) = (&self.client, self.requests.unit);
        // In turn, if there is one with room for all of it.
        let last = self.current.map(|(stream, _)| stream);
        let in_turn = open.keys().filter(|stream| Some(**stream) > last).chain(open.keys());
        let fits = in_turn.copied().find(|stream| client.can_send(*stream) >= unit);
        let best = fits.or_else(|| open.keys().copied().max_by_key(|stream| client.can_send(*stream)));
        best.map(|stream| (stream, unit))
    }

    /// Lets the server send all that it has.
    fn open_windows(&mut self) {
        for stream in self.answers.open.keys() {
            self.client.grant(Some(*stream), DRAIN_WINDOW);
        }
        self.client.grant(None, DRAIN_WINDOW);
    }

    /// Writes what the channel accepts.
    fn flush(&mut self, channel: &mut Channel) {
        channel.flush();
        while self.has_queued() {
            let count = channel.write(self.client.output());
            if count == 0 {
                break;
            }
            self.client.sent(count);
        }
    }

    /// Reads from the channel once. Returns the number of bytes.
    fn receive(&mut self, channel: &mut Channel) -> Result<usize, Fault> {
        let count = channel.read(&mut self.buffer)?;
        let bytes = &self.buffer[..count];
        if !self.client.is_ready() {
            self.first.note(bytes);
        }
        let answers = &mut self.answers;
        let received = self.client.receive(bytes, &mut |event| answers.note(event));
        self.flush(channel);
        received.map_err(|violation| {
            channel.wire.note_closed(DisconnectKind::Reset);
            fault(&violation)
        })?;
        if self.floods().is_none() || self.answers.said().is_some() {
            self.note_end(channel);
        }
        Ok(count)
    }

    /// Notes in the channel that the server ended the session.
    fn note_end(&mut self, channel: &mut Channel) {
        if self.left_to_open == Some(0)
            && let Some(end) = self.answers.end()
        {
            channel.wire.note_closed(end.kind);
        }
    }

    /// Reads all that has arrived, unless the server sends faster than this reads.
    fn receive_all(&mut self, channel: &mut Channel) -> Result<(), Fault> {
        for _ in 0..MOST_READS {
            if self.receive(channel)? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn receive_until_kept(&mut self, channel: &mut Channel) -> Result<(), Fault> {
        for _ in 0..MOST_READS {
            if self.receive(channel)? == 0 || !self.answers.kept.is_empty() {
                break;
            }
        }
        Ok(())
    }

    fn closed_early(&self) -> Http2Error {
        self.first.text().map_or(Http2Error::Closed, Http2Error::NotHttp2)
    }

    fn explain(&self, fault: Fault) -> Http2Error {
        match (fault, self.first.text()) {
            (_, Some(text)) if !self.first.is_http2() => Http2Error::NotHttp2(text),
            (Fault(text), _) => Http2Error::Failed(text),
        }
    }
}

fn fault(violation: &Violation) -> Fault {
    Fault(format!("HTTP/2: {violation}"))
}

/// Bytes per read.
const READ: usize = 64 << 10;

/// Reads in a row, so that a server that never stops sending does not occupy the thread.
const MOST_READS: usize = 16;

/// Bytes of payload that a slow reader keeps for the drain. Windows are smaller, unless a script opens them wide; then it stops reading.
const MOST_KEPT: usize = 64 << 20;

/// Bytes of a flood that wait until the channel accepts them.
const MOST_QUEUED: usize = 32 << 10;

/// Bytes that the server may send when the drain begins, on each stream and on all together, in addition to what was read.
const DRAIN_WINDOW: u32 = 4 << 20;

/// Time between two probes.
const BETWEEN_PROBES: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
