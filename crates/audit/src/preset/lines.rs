//! Presets for echo servers, whose replies also show lost and corrupt bytes.

use crate::script::{Part, Payload, Script, Step, Stimulus};

/// Lines of 1 KiB: long enough for a small overhead per line, and shorter than the limits of all known servers.
pub(super) fn echo() -> Script {
    let line = vec![Part::Fill { fill: "x".to_owned(), count: 1023 }, Part::Text("\n".to_owned())];
    echoed("lines of 1 KiB", line, Payload::text("echoctl\n"))
}

/// Blocks of 64 KiB without a newline.
pub(super) fn raw() -> Script {
    let block = vec![Part::Fill { fill: "x".to_owned(), count: 65536 }];
    echoed("raw bytes", block, Payload::text("echoctl"))
}

/// Payloads of 1,022 bytes after a 2-byte length, as in DNS over TCP.
pub(super) fn u16() -> Script {
    let frame = vec![Part::Hex(vec![0x03, 0xfe]), Part::Fill { fill: "x".to_owned(), count: 1022 }];
    let probe = Payload::new(vec![Part::Hex(vec![0, 7]), Part::Text("echoctl".to_owned())]);
    echoed("frames with a 2-byte length", frame, probe)
}

fn echoed(kind: &str, repeat: Vec<Part>, probe: Payload) -> Script {
    let stimulus = Stimulus::repeat(kind, Payload::new(repeat));
    Script { bystander: Some(Step::ask(probe.clone(), probe)), echo: true, ..Script::new(stimulus) }
}
