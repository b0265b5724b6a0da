//! The beginning of an answer, which says what kind of server it is.

use crate::protocol::{self, Protocol};

/// The first bytes of an answer, at most [`STORED`] of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FirstBytes(Vec<u8>);

impl FirstBytes {
    /// Notes bytes that came.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        let room = STORED - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The first line that is not empty, or all of it if that is not text, escaped for display; what it says if it closes a WebSocket.
    /// `None` if nothing came.
    pub(super) fn text(&self) -> Option<String> {
        if let Some(close) = protocol::websocket_close(&self.0) {
            return Some(close);
        }
        let mut lines = self.0.split(|byte| matches!(byte, b'\r' | b'\n'));
        let is_text = |line: &&[u8]| !line.is_empty() && !line.iter().any(u8::is_ascii_control);
        let shown = lines.find(|line| !line.is_empty()).filter(is_text).unwrap_or(&self.0);
        let mut text = String::new();
        for escaped in shown.iter().map(|byte| byte.escape_ascii()) {
            if text.len() + escaped.len() > SHOWN {
                break;
            }
            text.extend(escaped.map(char::from));
        }
        (!self.0.is_empty()).then_some(text)
    }

    /// Whether they are a record of TLS.
    #[cfg(feature = "tls")]
    pub(super) fn is_tls(&self) -> bool {
        protocol::is_tls(&self.0)
    }

    /// Whether they are the first frame of HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        protocol::is_http2(&self.0)
    }

    /// The protocol of which they are typical.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        Protocol::of(&self.0)
    }
}

/// Bytes that are stored: enough for the page of a server that refuses plain HTTP on its port for TLS.
const STORED: usize = 1024;

/// Characters that are shown: a line of a terminal, with what is said about it.
const SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pieces: &[&[u8]]) -> Option<String> {
        let mut first = FirstBytes::default();
        pieces.iter().for_each(|piece| first.note(piece));
        first.text()
    }

    #[test]
    fn the_first_line_is_shown_whatever_pieces_it_came_in() {
        let shown = text(&[b"\r\nHTTP/1.1 40", b"0 Bad Request\r\nConnection: close"]);

        assert_eq!(shown.as_deref(), Some("HTTP/1.1 400 Bad Request"));
        assert_eq!(text(&[b"\x15\x03\x01\x1b["]).as_deref(), Some("\\x15\\x03\\x01\\x1b["));
        assert_eq!(text(&[b"\x4a\0\0\0\n8.0.36"]).as_deref(), Some("J\\x00\\x00\\x00\\n8.0.36"));
        assert_eq!(text(&[b"\n"]).as_deref(), Some("\\n"));
        assert_eq!(text(&[b""]), None);
    }

    #[test]
    fn the_end_of_a_websocket_is_told_in_words() {
        assert_eq!(
            text(&[b"\x88\x0a\x03\xefbad", b" json"]).as_deref(),
            Some("WebSocket close 1007: bad json")
        );
        assert_eq!(text(&[b"\x88\x02\x03\xe8"]).as_deref(), Some("WebSocket close 1000"));
        assert_eq!(text(&[b"\x88\x09\x03\xefbad"]).as_deref(), Some("\\x88\\t\\x03\\xefbad"), "cut off");
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters() {
        assert_eq!(text(&[&[b'x'; 1000], &[b'y'; 1000]]), Some("x".repeat(120)));
        assert_eq!(text(&[&[b'x'; 118], &[0; 9]]), Some("x".repeat(118)));
    }
}
