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
    let stimulus = match (&options.message, kind) {
        (Some(_), _) => "WebSocket messages as given",
        (None, Kind::Binary) => "WebSocket messages of 64 KiB",
        (None, Kind::Text) => "WebSocket text messages of 64 KiB",
    };
    let bystander = match &options.message {
        // What the answer to it is, is not known.
        Some(given) => Step { send: Some(frame(kind, given)), expect: None },
        None => Step::ask(frame(kind, &Payload::text(PROBE)), Payload::text(PROBE)),
    };
    Script {
        setup: upgrade(path, options),
        bystander: Some(bystander),
        ..Script::new(Stimulus::repeat(stimulus, message(kind, options)))
    }
}

/// A client that does not read what another client sends to all.
pub(super) fn subscribe(path: &str, options: &HttpOptions) -> Script {
    let (stimulus, kind) = match options.message {
        Some(_) => ("WebSocket messages as given, sent by another client", Kind::Text),
        None => ("WebSocket messages of 64 KiB, sent by another client", Kind::Binary),
    };
    Script {
        setup: upgrade(path, options),
        publisher: Some(Publisher { setup: upgrade(path, options) }),
        ..Script::new(Stimulus::repeat(stimulus, message(kind, options)))
    }
}

/// A client that does not read what the server sends by itself, or after a first message.
pub(super) fn receive(path: &str, options: &HttpOptions) -> Script {
    let (stimulus, first) = match &options.message {
        Some(given) => ("a WebSocket, and one message as given", frame(Kind::Text, given)),
        // A pong without a ping, which has no answer (RFC 6455, section 5.5.3).
        None => ("a WebSocket", Payload::new(vec![Part::Hex(vec![0x8a, 0x80, 0, 0, 0, 0])])),
    };
    Script {
        setup: upgrade(path, options),
        bystander: Some(Step { send: Some(first.clone()), expect: None }),
        ..Script::new(Stimulus::once(stimulus, first))
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

/// The message that is given, or one of 64 KiB.
fn message(kind: Kind, options: &HttpOptions) -> Payload {
    let own = || Payload::new(vec![Part::Fill { fill: "x".to_owned(), count: 65536 }]);
    frame(kind, &options.message.clone().unwrap_or_else(own))
}

/// A frame with FIN and a mask of zeros, with its length in 7, 16 or 64 bits.
fn frame(kind: Kind, payload: &Payload) -> Payload {
    let mut head = vec![kind.first_byte()];
    match payload.len() {
        short @ ..126 => head.push(0x80 | short as u8),
        length => match u16::try_from(length) {
            Ok(length) => {
                head.push(0x80 | 126);
                head.extend(length.to_be_bytes());
            }
            Err(_) => {
                head.push(0x80 | 127);
                head.extend((length as u64).to_be_bytes());
            }
        },
    }
    head.extend([0; 4]);
    payload.after(Part::Hex(head))
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

/// What a bystander sends.
const PROBE: &str = "echoctl";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::SendMode;

    fn with_message(text: &str) -> HttpOptions {
        HttpOptions { message: Some(Payload::text(text)), ..HttpOptions::default() }
    }

    #[test]
    fn a_frame_has_its_length_in_the_shortest_form() {
        for (length, head) in [
            (0, &[0x82, 0x80, 0, 0, 0, 0][..]),
            (125, &[0x82, 0xfd, 0, 0, 0, 0]),
            (126, &[0x82, 0xfe, 0, 126, 0, 0, 0, 0]),
            (65535, &[0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0]),
            (65536, &[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
        ] {
            let payload = "x".repeat(length);
            let bytes = frame(Kind::Binary, &Payload::text(payload.as_str())).bytes();

            assert!(bytes.starts_with(head) && bytes.ends_with(payload.as_bytes()), "{length}");
            assert_eq!(bytes.len(), head.len() + length);
        }
    }

    #[test]
    fn a_given_message_takes_the_place_of_the_presets_own() {
        let hello = b"\x81\x82\0\0\0\0hi";
        for script in [echo(Kind::Text, "/", &with_message("hi")), subscribe("/", &with_message("hi"))] {
            let SendMode::Repeat(message) = script.stimulus.send else { panic!("repeat") };
            assert_eq!(message.bytes(), hello);
        }
        let script = receive("/", &with_message("hi"));
        let SendMode::Once(message) = script.stimulus.send else { panic!("once") };
        assert_eq!(message.bytes(), hello);
    }

    #[test]
    fn a_receiver_asks_for_nothing_by_itself() {
        let script = receive("/", &HttpOptions::default());
        let SendMode::Once(first) = &script.stimulus.send else { panic!("once") };

        assert_eq!(first.bytes()[0], 0x8a, "a pong has no answer");
        assert_eq!(script.bystander.and_then(|step| step.send).as_ref(), Some(first));
    }
}
