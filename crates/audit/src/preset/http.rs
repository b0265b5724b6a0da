//! HTTP presets: one GET of something large or endless, or GETs without waiting for their answers.
//!
//! The one-GET presets have no bystander: a second reader of a large body is a load of its own.

use crate::script::{Payload, Script, Step, Stimulus};

/// One GET of a large body.
pub(super) fn get(path: &str, host: &str) -> Script {
    Script::new(Stimulus::once("one HTTP GET, then nothing", request(path, host, "")))
}

/// One GET of a stream of server-sent events.
pub(super) fn sse(path: &str, host: &str) -> Script {
    let request = request(path, host, "Accept: text/event-stream\r\nCache-Control: no-cache\r\n");
    Script::new(Stimulus::once("one GET of an event stream, then nothing", request))
}

/// GETs, pipelined.
pub(super) fn pipeline(path: &str, host: &str) -> Script {
    let stimulus = Stimulus::repeat("pipelined HTTP GETs, again and again", request(path, host, ""));
    let bystander = Step::ask(request(path, host, ""), Payload::text("HTTP/1."));
    Script { bystander: Some(bystander), ..Script::new(stimulus) }
}

fn request(path: &str, host: &str, headers: &str) -> Payload {
    Payload::text(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"))
}
