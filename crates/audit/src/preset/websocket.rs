//! Presets for WebSocket: the upgrade with a fixed key, whose answer is checked, then masked frames of 64 KiB.
//!
//! The mask is zero, which is valid and keeps the payload readable in a capture. (RFC 6455, section 5.3 asks for an
//! unpredictable mask to protect proxies from scripts in browsers.)

use super::HttpOptions;
use crate::script::{Part, Payload, Publisher, Script, Step, Stimulus};

/// What the messages of a client are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Binary,
    Text,
}

/// Messages that the server echoes.
pub(super) fn echo(kind: Kind, path: &str, options: &HttpOptions) -> Script {
    let probe = vec![Part::Hex(vec![kind.first_byte(), 0x87, 0, 0, 0, 0]), Part::Text("echoctl".to_owned())];
    let stimulus = match kind {
        Kind::Binary => "WebSocket messages of 64 KiB",
        Kind::Text => "WebSocket text messages of 64 KiB",
    };
    Script {
        setup: upgrade(path, options),
        bystander: Some(Step::ask(Payload::new(probe), Payload::text("echoctl"))),
        ..Script::new(Stimulus::repeat(stimulus, message(kind)))
    }
}

/// A client that does not read what another client sends to all.
pub(super) fn subscribe(path: &str, options: &HttpOptions) -> Script {
    let stimulus = "WebSocket messages of 64 KiB, sent by another client";
    Script {
        setup: upgrade(path, options),
        publisher: Some(Publisher { setup: upgrade(path, options) }),
        ..Script::new(Stimulus::repeat(stimulus, message(Kind::Binary)))
    }
}

fn upgrade(path: &str, options: &HttpOptions) -> Vec<Step> {
    let own = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ];
    let request = options.head("GET", path, &own);
    vec![Step::ask(Payload::text(request), Payload::text(ACCEPT)), Step::expect("\r\n\r\n")]
}

/// A frame with FIN, masked, with a 64-bit length; then the mask and the payload.
fn message(kind: Kind) -> Payload {
    let head = vec![kind.first_byte(), 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    Payload::new(vec![Part::Hex(head), Part::Fill { fill: "x".to_owned(), count: 65536 }])
}

impl Kind {
    /// FIN and the opcode.
    fn first_byte(self) -> u8 {
        match self {
            Kind::Text => 0x81,
            Kind::Binary => 0x82,
        }
    }
}

/// The example key of RFC 6455, section 1.3, and its answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
