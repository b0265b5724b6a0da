//! What a server answered first: its first line for people, and the protocol that it seems to speak.

use echoctl_audit::{AuditOutcome, GRPC_STATUS, Protocol, StepFailure, WEBSOCKET_CLOSE, unescape};
use echoctl_record::Evidence;

/// The beginning of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its first line, with escapes for what is not text.
    pub(super) line: String,
    /// The protocol of which it is typical.
    pub(super) protocol: Option<Protocol>,
    /// The code with which it closes a WebSocket.
    close_code: Option<u16>,
}

impl Answer {
    /// The answer to the slow reader, or else to the client that reads.
    pub(super) fn to_an_attack(attack: &AuditOutcome) -> Option<Answer> {
        if let Some(line) = http2_line(&attack.evidence) {
            return Some(Answer { line, protocol: Some(Protocol::Http2), close_code: None });
        }
        let (drain, control) = (attack.evidence.drain.as_ref(), attack.evidence.control.as_ref());
        let text = drain.and_then(|drain| drain.first_text.as_deref());
        let answer = Answer::of(text.or(control.and_then(|control| control.first_text.as_deref()))?)?;
        // Its first bytes say more than its first line.
        Some(Answer { protocol: attack.protocol.or(answer.protocol), ..answer })
    }

    /// The answer to a step of a script that expected another one.
    pub(super) fn unexpected(failure: &StepFailure) -> Option<Answer> {
        let (StepFailure::Closed { received, .. } | StepFailure::NoAnswer { received, .. }) = failure else {
            return None;
        };
        let quoted = received.trim_end_matches(" …");
        Answer::of(quoted.strip_prefix('"')?.strip_suffix('"')?)
    }

    /// From the first bytes as Rust escapes them.
    pub(super) fn of(escaped: &str) -> Option<Answer> {
        // A request has no escapes for quotes.
        let text = escaped.replace(r"\'", "'").replace("\\\"", "\"");
        let bytes = unescape(&text).unwrap_or_default();
        let protocol = Protocol::of(&bytes);
        let closes = text.strip_prefix(WEBSOCKET_CLOSE).and_then(|rest| rest.split(':').next()?.parse().ok());
        let (protocol, close_code) = match (closes, &bytes[..]) {
            (Some(code), _) => (Some(Protocol::WebSocketClose), Some(code)),
            (None, [0x88, 2..=125, high, low, ..]) => (protocol, Some(u16::from_be_bytes([*high, *low]))),
            (None, _) => (protocol, None),
        };
        let end = [r"\r", r"\n"].iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
        let line = text[..end].to_owned();
        (!line.is_empty()).then_some(Answer { line, protocol, close_code })
    }

    /// Whether it refuses for lack of credentials.
    pub(super) fn asks_for_login(&self) -> bool {
        let status = self.line.split_whitespace().nth(1);
        match self.protocol {
            Some(Protocol::Http) => matches!(status, Some("401" | "403" | "407")),
            Some(Protocol::Redis) => {
                self.line.starts_with("-NOAUTH") || self.line.contains("unauthenticated")
            }
            _ => false,
        }
    }

    /// The code with which it closes a WebSocket, if it does.
    pub(super) fn close_code(&self) -> Option<u16> {
        self.close_code
    }
}

/// What a server over HTTP/2 answered, if it refused: the status of a call over gRPC, or that of a request.
fn http2_line(evidence: &Evidence) -> Option<String> {
    let call = evidence.closing.clone().filter(|closing| closing.starts_with(GRPC_STATUS));
    let status = evidence.responses.and_then(|responses| responses.status).filter(|status| *status >= 300);
    call.or_else(|| status.map(|status| format!("{HTTP2_STATUS}{status}")))
}

/// How the line of such a status begins.
pub(super) const HTTP2_STATUS: &str = "HTTP/2 ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_and_the_protocol_are_found() {
        for (bytes, line, protocol) in [
            (
                &b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"[..],
                "HTTP/1.1 400 Bad Request",
                Some(Protocol::Http),
            ),
            (b"-ERR 'Authorization Violation'\r\n", "-ERR 'Authorization Violation'", Some(Protocol::Nats)),
            (b"\x15\x03\x03\x00\x02\x02\x46", r"\x15\x03\x03\x00\x02\x02F", Some(Protocol::Tls)),
            (b"say \"hello\"", "say \"hello\"", None),
        ] {
            let expected = Answer { line: line.to_owned(), protocol, close_code: None };

            assert_eq!(Answer::of(&bytes.escape_ascii().to_string()), Some(expected.clone()));
            for more in ["", " …"] {
                let received = format!("\"{}\"{more}", bytes.escape_ascii());
                let failure = StepFailure::Closed { expected: String::new(), received };
                assert_eq!(Answer::unexpected(&failure), Some(expected.clone()));
            }
        }
    }

    #[test]
    fn a_closed_websocket_has_its_code_in_either_form() {
        for text in ["WebSocket close 1008: no token", r"\x88\x0a\x03\xf0no token"] {
            let answer = Answer::of(text).unwrap();
            assert_eq!((answer.protocol, answer.close_code()), (Some(Protocol::WebSocketClose), Some(1008)));
        }
    }

    #[test]
    fn without_an_answer_there_is_no_line() {
        let failure = StepFailure::Closed { expected: String::new(), received: "nothing".to_owned() };
        assert_eq!(Answer::unexpected(&failure), None);
        assert_eq!(Answer::of("\\r\\n"), None);
    }
}
