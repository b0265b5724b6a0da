//! The options for requests over HTTP, HTTP/2, gRPC and WebSockets.

use std::path::Path;

use clap::Args;
use clap::builder::TypedValueParser;
use echoctl_audit::{Part, Payload, Stall, unescape};

use crate::exit::Failure;
use crate::values::{self, Named};

/// What requests over HTTP, HTTP/2 and gRPC carry, and how many there are.
#[derive(Debug, Args)]
pub(super) struct HttpArgs {
    /// Header of the requests (may be repeated)
    ///
    /// It replaces a header of the preset that has the same name.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header, hide_short_help = true,
          conflicts_with_all = ["script", "request"])]
    pub(super) headers: Vec<(String, String)>,

    /// Body of the requests, which makes a GET a POST
    ///
    /// TEXT may contain the escapes of --request. @FILE sends the content of a file.
    #[arg(long, value_name = "TEXT|@FILE", hide_short_help = true, conflicts_with_all = ["script", "request", "grpc"])]
    pub(super) body: Option<String>,

    /// Request an https:// URL over HTTP/2
    ///
    /// Without TLS, a URL that begins with h2c:// is requested over HTTP/2.
    #[arg(long, hide_short_help = true, conflicts_with_all = ["preset", "script", "request", "grpc"])]
    pub(super) http2: bool,

    /// Number of requests on each HTTP/2 connection [default: 1]
    ///
    /// Each has a stream of its own. The server may allow fewer.
    #[arg(long, value_name = "N", value_parser = values::number::<u32>(1..=1000), hide_short_help = true)]
    pub(super) streams: Option<u32>,

    /// How to stop reading over HTTP/2 [default: window, then tcp]
    ///
    /// tcp leaves the socket unread. window reads the socket and grants no further data, to no stream of the connection.
    /// window-stream grants none to the streams of the requests; others on the same connection can go on.
    #[arg(long, value_name = "STALL", value_parser = stall(), hide_possible_values = true, hide_short_help = true)]
    pub(super) stall: Option<Stall>,

    /// Method to call over gRPC: /package.Service/Method
    #[arg(long, value_name = "METHOD", hide_short_help = true, conflicts_with_all = ["preset", "script", "request"])]
    pub(super) grpc: Option<String>,

    /// Message of a gRPC call or a WebSocket client
    ///
    /// The bytes of one message, without prefix or frame; TEXT may contain the escapes of --request. Over gRPC it is empty by default.
    /// It is sent once, or with --repeat without end: to a method that accepts a stream of messages, or to a WebSocket that answers each.
    /// Over a WebSocket it is a text message, or a binary one with --preset websocket; with websocket-subscribe the second client sends
    /// it.
    #[arg(long, value_name = "TEXT|@FILE", hide_short_help = true)]
    pub(super) message: Option<String>,
}

impl HttpArgs {
    /// The bytes of `--body`.
    pub(super) fn body(&self) -> Result<Option<Payload>, Failure> {
        self.body.as_deref().map(|text| payload("--body", text)).transpose()
    }

    /// The bytes of `--message`.
    pub(super) fn message(&self) -> Result<Option<Payload>, Failure> {
        self.message.as_deref().map(|text| payload("--message", text)).transpose()
    }
}

/// The bytes of an option: a text with escapes, or the content of a file.
pub(super) fn payload(option: &str, text: &str) -> Result<Payload, Failure> {
    if let Some(path) = text.strip_prefix('@') {
        let read = Payload::read(Path::new(path));
        return read.map_err(|error| Failure::usage(format_args!("{option}: {error}")));
    }
    let bytes = unescape(text).map_err(|error| Failure::usage(format_args!("{option}: {error}")))?;
    if bytes.is_empty() {
        return Ok(Payload::default());
    }
    let part = String::from_utf8(bytes).map_or_else(|error| Part::Hex(error.into_bytes()), Part::Text);
    Ok(Payload::new(vec![part]))
}

/// Parses a header.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected 'NAME: VALUE'")?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("expected a name of letters, digits and hyphens before the colon".to_owned());
    }
    let value = value.trim_matches([' ', '\t']);
    // A line end would begin another header.
    if value.contains(|c: char| c.is_control() && c != '\t') {
        return Err("the value has a line end or another control character".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Parses the name of a stall.
fn stall() -> impl TypedValueParser<Value = Stall> {
    let parse = |text: &str| {
        let found = Stall::ALL.into_iter().find(|stall| stall.name() == text);
        found.ok_or_else(|| format!("no such stall: expected {}", Stall::ALL.map(Stall::name).join(", ")))
    };
    Named { names: || Stall::ALL.map(|stall| stall.name().to_owned()).into(), parse }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        for (text, name, value) in [
            ("Accept: text/plain", "Accept", "text/plain"),
            ("X-Time:10:30", "X-Time", "10:30"),
            ("X-Empty:", "X-Empty", ""),
        ] {
            assert_eq!(header(text), Ok((name.to_owned(), value.to_owned())));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_its_option() {
        let error = payload("--body", "@/nonexistent/body").unwrap_err().to_string();
        assert!(error.starts_with("--body: cannot read /nonexistent/body: "), "{error}");
    }

    #[test]
    fn a_header_that_would_begin_another_is_refused() {
        for text in ["Accept", ": x", "A B: x", "A: x\r\nB: y", "A: x\ny", "A\r\n: x", "A: \0"] {
            assert!(header(text).is_err(), "{text:?}");
        }
    }
}
