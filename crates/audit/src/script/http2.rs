//! The HTTP/2 part of a script: the requests, how many of them, and how the slow reader stops reading.

use serde::{Deserialize, Serialize};

use super::Payload;
use crate::ScriptError;

/// Requests over HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http2 {
    /// The method.
    #[serde(skip_serializing_if = "is_get")]
    pub method: String,
    /// The path, with its query.
    #[serde(skip_serializing_if = "is_root")]
    pub path: String,
    /// The host that requests name.
    pub authority: String,
    /// Further headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body of each request. A body that is repeated is the stimulus instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Payload>,
    /// Number of requests on one connection, each on a stream of its own.
    pub streams: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE: bytes that the server may send on each stream at first. `None`: 65,535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_window: Option<u32>,
    /// How the slow reader stops reading. `None`: both ways are tried, one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall: Option<Stall>,
    /// Frames that are repeated in place of a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flood: Option<Flood>,
    /// Path that is requested each second on a stream of its own, with [`Stall::WindowStream`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
}

/// How a client stops reading over HTTP/2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stall {
    /// It does not read from the socket.
    Tcp,
    /// It reads from the socket, and grants the server no further DATA.
    Window,
    /// As [`Stall::Window`], but only on the streams: the connection's own window is as large as it can be.
    #[serde(alias = "window-stream")]
    WindowStream,
}

impl Stall {
    /// All ways.
    pub const ALL: [Stall; 3] = [Stall::Tcp, Stall::Window, Stall::WindowStream];

    /// Its name as an option, which a script may use as well.
    pub fn name(self) -> &'static str {
        match self {
            Stall::Tcp => "tcp",
            Stall::Window => "window",
            Stall::WindowStream => "window-stream",
        }
    }
}

/// Frames that a server has to answer or to serve, sent repeatedly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flood {
    /// PING, each of which is answered.
    Ping,
    /// SETTINGS, each of which is acknowledged.
    Settings,
    /// New requests, as long as the server allows more streams.
    Requests,
}

impl Default for Http2 {
    fn default() -> Http2 {
        Http2 {
            method: GET.to_owned(),
            path: ROOT.to_owned(),
            authority: "localhost".to_owned(),
            headers: Vec::new(),
            body: None,
            streams: 1,
            initial_window: None,
            stall: None,
            flood: None,
            probe: None,
        }
    }
}

impl Http2 {
    /// The largest window (RFC 9113, section 6.9.1).
    pub(crate) const MAX_WINDOW: u32 = (1 << 31) - 1;

    /// Checks each field, and that no field is without effect.
    pub(super) fn check(&self) -> Result<(), ScriptError> {
        let invalid = |field, expected| Err(ScriptError::InvalidField { field, expected });
        if self.method.is_empty() || !self.method.bytes().all(is_token) {
            return invalid("method", "a word of letters, such as POST");
        }
        if !is_path(&self.path) {
            return invalid("path", PATH);
        }
        if self.probe.as_deref().is_some_and(|probe| !is_path(probe)) {
            return invalid("probe", PATH);
        }
        if self.authority.is_empty() || !self.authority.bytes().all(|byte| byte.is_ascii_graphic()) {
            return invalid("authority", "a host name, with its port if it has one");
        }
        for (name, value) in &self.headers {
            check_header(name, value)?;
        }
        if !(1..=MAX_STREAMS).contains(&self.streams) {
            return invalid("streams", "a number from 1 to 1000");
        }
        if self.initial_window.is_some_and(|window| window > Http2::MAX_WINDOW) {
            return invalid("initial_window", "at most 2147483647 bytes");
        }
        if self.flood.is_some() && self.body.is_some() {
            return Err(ScriptError::NoEffect { field: "body", with: "flood" });
        }
        if self.probe.is_some() && self.stall != Some(Stall::WindowStream) {
            return Err(ScriptError::Needs { field: "probe", other: "stall = \"window_stream\"" });
        }
        Ok(())
    }
}

/// Checks a header of HTTP/2, whose names are sent in lower case.
fn check_header(name: &str, value: &str) -> Result<(), ScriptError> {
    let invalid = |expected| Err(ScriptError::InvalidHeader { name: name.to_owned(), expected });
    if name.is_empty() || !name.bytes().all(is_token) {
        return invalid("a name of letters, digits and hyphens");
    }
    if CONNECTION_HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header)) {
        return invalid("HTTP/2 has no such header");
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return invalid("a value without control characters");
    }
    Ok(())
}

/// Whether a byte may be part of a method or of a header's name (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a text may be the `:path` of a request: that it is one word, and from the root.
pub(super) fn is_path(path: &str) -> bool {
    let is_word = !path.contains(|c: char| c.is_whitespace() || c.is_control());
    is_word && (path.starts_with('/') || path == "*")
}

fn is_get(method: &str) -> bool {
    method == GET
}

fn is_root(path: &str) -> bool {
    path == ROOT
}

const GET: &str = "GET";
const ROOT: &str = "/";
const PATH: &str = "a path that begins with / and has no spaces";

/// More streams on one connection than any server is known to allow.
const MAX_STREAMS: u32 = 1000;

/// Headers of one connection of HTTP/1.1, which HTTP/2 forbids (RFC 9113, section 8.2.2), and `host`, which is the authority.
const CONNECTION_HEADERS: [&str; 6] =
    ["connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
