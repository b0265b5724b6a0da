//! What a server has answered on one connection.

use std::collections::{BTreeMap, VecDeque};

use echoctl_http2::{EndStream, ErrorCode, Event, Fields, StreamId};
use echoctl_record::{DisconnectKind, Responses};

use crate::protocol::GRPC_STATUS;

/// The requests of a connection, and what came for them. What comes for others, the probes, is only granted again.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// The requests whose responses have not ended, and how many bytes of the body of each were sent.
    pub(super) open: BTreeMap<StreamId, usize>,
    /// Payload that came and was not passed on.
    pub(super) kept: VecDeque<u8>,
    /// What is to be granted for it, by stream: a server may send any number of empty frames.
    pub(super) owed: BTreeMap<StreamId, u32>,
    responses: Responses,
    /// How the last response was cut off, if it did not end by itself.
    reset: Option<ErrorCode>,
    /// How the first call over gRPC failed.
    failure: Option<String>,
    /// The last thing that the server said of the connection.
    going: Option<(ErrorCode, String)>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) kind: DisconnectKind,
    /// What the server said.
    pub(super) closing: Option<String>,
}

impl Answers {
    /// Notes a request.
    pub(super) fn begin(&mut self, stream: StreamId) {
        self.open.insert(stream, 0);
        self.responses.requests += 1;
    }

    /// Notes what the server said.
    pub(super) fn note(&mut self, event: Event<'_>) {
        match event {
            Event::Headers { stream, status, fields, end } => {
                self.note_failure(stream, fields);
                if self.open.contains_key(&stream) {
                    self.responses.answered += 1;
                    self.responses.status.get_or_insert(status);
                }
                self.complete_if(end, stream);
            }
            Event::Data { stream, data, padding, end } => {
                if self.open.contains_key(&stream) {
                    self.kept.extend(data);
                }
                let bytes = (data.len() as u32).saturating_add(padding);
                let owed = self.owed.entry(stream).or_default();
                *owed = owed.saturating_add(bytes);
                self.complete_if(end, stream);
            }
            Event::Trailers { stream, fields } => {
                self.note_failure(stream, fields);
                self.complete_if(EndStream::Yes, stream);
            }
            Event::Reset { stream, code } => {
                self.finish(stream, Some(code));
            }
            Event::GoAway { code, debug, .. } => {
                let debug = &debug[..debug.len().min(SHOWN)];
                self.going = Some((code, debug.escape_ascii().to_string()));
            }
            Event::Settings | Event::Acknowledged | Event::Interim { .. } | Event::Granted { .. } => {}
        }
    }

    /// Notes the status of a call that failed.
    fn note_failure(&mut self, stream: StreamId, fields: &Fields) {
        let Some(code) = fields.get("grpc-status").filter(|code| *code != b"0") else { return };
        if self.open.contains_key(&stream) && self.failure.is_none() {
            let text = |bytes: &[u8]| bytes[..bytes.len().min(SHOWN)].escape_ascii().to_string();
            let message = fields.get("grpc-message").map(|message| format!(": {}", text(message)));
            self.failure = Some(format!("{GRPC_STATUS}{}{}", text(code), message.unwrap_or_default()));
        }
    }

    fn complete_if(&mut self, end: EndStream, stream: StreamId) {
        if end == EndStream::Yes {
            self.finish(stream, None);
        }
    }

    /// Notes the end of a response, which was perhaps reset. A server may refuse some of many requests and answer the others: how the
    /// last one ended is how the session did.
    fn finish(&mut self, stream: StreamId, reset: Option<ErrorCode>) {
        if self.open.remove(&stream).is_some() {
            self.reset = reset;
        }
    }

    /// How many requests were answered.
    pub(super) fn responses(&self) -> Responses {
        self.responses
    }

    /// Whether all responses have ended, of which there was at least one.
    pub(super) fn are_over(&self) -> bool {
        self.open.is_empty() && self.responses.requests > 0
    }

    /// How the session ended, if the server ended all of it, or all requests.
    pub(super) fn end(&self) -> Option<End> {
        match (&self.going, self.reset) {
            (Some((code, _)), _) if *code != ErrorCode::NO_ERROR => {
                Some(End { kind: DisconnectKind::GoAway, closing: self.said() })
            }
            (_, Some(code)) if self.are_over() => {
                let closing = Some(format!("all streams reset: {code}"));
                Some(End { kind: DisconnectKind::StreamsReset, closing })
            }
            _ if self.are_over() => Some(End { kind: DisconnectKind::Closed, closing: self.said() }),
            _ => None,
        }
    }

    /// What the server said before it closed the connection, or the first call.
    pub(super) fn said(&self) -> Option<String> {
        let Some((code, debug)) = self.going.as_ref().filter(|_| self.failure.is_none()) else {
            return self.failure.clone();
        };
        Some(if debug.is_empty() { format!("GOAWAY {code}") } else { format!("GOAWAY {code}: {debug}") })
    }
}

/// Bytes that are shown of what a server adds to its GOAWAY.
const SHOWN: usize = 120;
