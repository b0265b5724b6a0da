//! What the connections of an attack ask for over HTTP/2.

use std::collections::BTreeMap;

use echoctl_http2::{Client, Config, EndStream, Request, StreamId};

use crate::script::{Flood, Http2, Script, SendMode, Stall};

/// The requests of a script.
#[derive(Debug, Clone)]
pub(in crate::attack) struct Http2Requests {
    http2: Http2,
    scheme: &'static str,
    /// The body of each request, which ends it.
    body: Option<Vec<u8>>,
    /// Whether the stimulus is sent as data of the requests, which do not end then.
    pub(super) is_open: bool,
    /// Bytes of one stimulus, which all go to the same stream.
    pub(super) unit: u64,
}

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::attack) enum Role {
    /// It asks for one thing, reads, and grants what it has read.
    Bystander,
    /// It asks for all that the slow reader asks for, and reads.
    Reader,
    /// It does not read, while it [holds](super::Http2Session::hold).
    SlowReader,
}

impl Http2Requests {
    /// Those of a script, if it has any.
    pub(in crate::attack) fn of(script: &Script, is_over_tls: bool) -> Option<Http2Requests> {
        let http2 = script.http2.clone()?;
        let (SendMode::Repeat(payload) | SendMode::Once(payload)) = &script.stimulus.send;
        let body = http2.body.as_ref().map(|body| body.bytes()).filter(|body| !body.is_empty());
        Some(Http2Requests {
            body,
            http2,
            scheme: if is_over_tls { "https" } else { "http" },
            is_open: matches!(script.stimulus.send, SendMode::Repeat(_)),
            unit: payload.len().max(1) as u64,
        })
    }

    /// How the slow reader stops reading.
    pub(in crate::attack) fn stall(&self) -> Stall {
        self.http2.stall.unwrap_or(Stall::Tcp)
    }

    /// The frames that a client repeats.
    pub(super) fn flood(&self, role: Role) -> Option<Flood> {
        self.http2.flood.filter(|_| role != Role::Bystander)
    }

    /// The path that the slow reader requests again and again.
    pub(super) fn probe(&self, role: Role) -> Option<&str> {
        self.http2.probe.as_deref().filter(|_| role == Role::SlowReader)
    }

    /// The number of requests on one connection.
    pub(super) fn streams(&self, role: Role) -> u32 {
        match (role, self.http2.flood) {
            (Role::Bystander, _) => 1,
            (_, Some(_)) => 0,
            (_, None) => self.http2.streams,
        }
    }

    /// The windows with which a connection begins.
    pub(super) fn windows(&self, role: Role) -> Config {
        if role != Role::SlowReader {
            return Config { initial_window: HEALTHY_WINDOW, connection_window: HEALTHY_WINDOW };
        }
        let windows = Config::default();
        let initial_window = self.http2.initial_window.unwrap_or(windows.initial_window);
        let connection_window = match self.stall() {
            Stall::WindowStream => Http2::MAX_WINDOW,
            Stall::Window | Stall::Tcp => windows.connection_window.max(initial_window),
        };
        Config { initial_window, connection_window }
    }

    /// Opens a request, if the server permits one more and there is room for it.
    pub(super) fn open(&self, client: &mut Client) -> Option<StreamId> {
        let ends = self.body.is_none() && !self.is_open;
        client.open(&self.request(&self.http2.path, &self.http2.method), EndStream::from(ends))
    }

    /// Opens a request for another path, if there is room for it. Its response does not matter.
    pub(super) fn open_probe(&self, client: &mut Client, path: &str) {
        client.open(&self.request(path, "GET"), EndStream::Yes);
    }

    fn request<'a>(&'a self, path: &'a str, method: &'a str) -> Request<'a> {
        Request {
            method,
            scheme: self.scheme,
            authority: &self.http2.authority,
            path,
            fields: &self.http2.headers,
        }
    }

    /// Sends what is permitted of the body, of which `sent` bytes were sent before. Returns how many were in total.
    pub(super) fn send_body(&self, client: &mut Client, stream: StreamId, sent: usize) -> usize {
        match &self.body {
            Some(body) if sent < body.len() => sent + client.send_data(stream, &body[sent..], EndStream::Yes),
            _ => sent,
        }
    }
}

/// Grants windows again for what was read.
pub(super) fn grant(client: &mut Client, owed: &mut BTreeMap<StreamId, u32>) {
    let mut total = 0_u32;
    while let Some((stream, bytes)) = owed.pop_first() {
        client.grant(Some(stream), bytes);
        total = total.saturating_add(bytes);
    }
    client.grant(None, total);
}

/// The windows of a client that reads: enough that it never holds up a server on this host.
const HEALTHY_WINDOW: u32 = 1 << 20;
