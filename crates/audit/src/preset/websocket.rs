//! Presets for WebSocket: the upgrade with a fixed key, whose answer is checked, then masked frames of 64 KiB.
//!
//! The mask is zero, which is valid and keeps the payload readable in a capture. (RFC 6455, section 5.3 asks for an
//! unpredictable mask to protect proxies from scripts in browsers.)

use crate::script::{Part, Payload, Publisher, Script, Step, Stimulus};

/// Messages that the server echoes.
pub(super) fn echo(path: &str, host: &str) -> Script {
    let probe = vec![Part::Hex(vec![0x82, 0x87, 0, 0, 0, 0]), Part::Text("echoctl".to_owned())];
    Script {
        setup: upgrade(path, host),
        bystander: Some(Step::ask(Payload::new(probe), Payload::text("echoctl"))),
        ..Script::new(Stimulus::repeat("WebSocket messages of 64 KiB", message()))
    }
}

/// A client that does not read what another client sends to all.
pub(super) fn subscribe(path: &str, host: &str) -> Script {
    Script {
        setup: upgrade(path, host),
        publisher: Some(Publisher { setup: upgrade(path, host) }),
        ..Script::new(Stimulus::repeat("WebSocket messages of 64 KiB, sent by another client", message()))
    }
}

fn upgrade(path: &str, host: &str) -> Vec<Step> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    vec![Step::ask(Payload::text(request), Payload::text(ACCEPT)), Step::expect("\r\n\r\n")]
}

/// A binary frame with FIN, masked, with a 64-bit length; then the mask and the payload.
fn message() -> Payload {
    let head = vec![0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    Payload::new(vec![Part::Hex(head), Part::Fill { fill: "x".to_owned(), count: 65536 }])
}

/// The example key of RFC 6455, section 1.3, and its answer.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
