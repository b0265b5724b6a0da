//! Echo presets: what is sent comes back, so that loss and damage can be told too.

use crate::script::{Part, Payload, Script, Step, Stimulus};

/// Lines of 1 KiB: long enough that a line's own overhead is small, short enough for every line length limit met so far.
pub(super) fn echo() -> Script {
    let line = vec![Part::Fill { fill: "x".to_owned(), count: 1023 }, Part::Text("\n".to_owned())];
    echoed("lines of 1 KiB, again and again", line, Payload::text("echoctl\n"))
}

/// 64 KiB at a time without any newline.
pub(super) fn raw() -> Script {
    let block = vec![Part::Fill { fill: "x".to_owned(), count: 65536 }];
    echoed("raw bytes, again and again", block, Payload::text("echoctl"))
}

/// Payloads of 1,022 bytes, led by their length, as in DNS over TCP.
pub(super) fn u16() -> Script {
    let frame = vec![Part::Hex(vec![0x03, 0xfe]), Part::Fill { fill: "x".to_owned(), count: 1022 }];
    let probe = Payload::new(vec![Part::Hex(vec![0, 7]), Part::Text("echoctl".to_owned())]);
    echoed("frames with a 2-byte length, again and again", frame, probe)
}

fn echoed(kind: &str, repeat: Vec<Part>, probe: Payload) -> Script {
    let stimulus = Stimulus::repeat(kind, Payload::new(repeat));
    Script { bystander: Some(Step::ask(probe.clone(), probe)), echo: true, ..Script::new(stimulus) }
}
