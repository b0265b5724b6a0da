//! Presets for HTTP: one GET of a large or endless body, or pipelined GETs.
//!
//! The presets with one GET have no bystander, because a second reader of a large body is a load of its own.

use crate::script::{Payload, Script, Step, Stimulus};

/// One GET of a large body.
pub(super) fn get(path: &str, host: &str) -> Script {
    Script::new(Stimulus::once("one HTTP GET", request(path, host, "")))
}

/// One GET of a stream of server-sent events.
pub(super) fn sse(path: &str, host: &str) -> Script {
    let request = request(path, host, "Accept: text/event-stream\r\nCache-Control: no-cache\r\n");
    Script::new(Stimulus::once("one GET of an event stream", request))
}

/// GETs, pipelined.
pub(super) fn pipeline(path: &str, host: &str) -> Script {
    let stimulus = Stimulus::repeat("pipelined HTTP GETs", request(path, host, ""));
    let bystander = Step::ask(request(path, host, ""), Payload::text("HTTP/1."));
    Script { bystander: Some(bystander), ..Script::new(stimulus) }
}

fn request(path: &str, host: &str, headers: &str) -> Payload {
    Payload::text(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"))
}
