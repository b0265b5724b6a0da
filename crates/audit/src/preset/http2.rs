//! Presets for HTTP/2: one request with a large or endless reply, or one whose body is repeated.

use super::HttpOptions;
use crate::script::{Http2, Part, Payload, Script, SendMode, Stimulus};

/// One GET, or a POST of a body.
pub(super) fn get(path: &str, options: &HttpOptions) -> Script {
    let body = options.body.clone();
    let method = options.method();
    let stimulus = Stimulus::once(&format!("one HTTP/2 {method}"), Payload::default());
    Script {
        http2: Some(Http2 { method: method.to_owned(), body, ..request(path, options) }),
        ..Script::new(stimulus)
    }
}

/// A POST whose body is repeated: 64 KiB of letters, unless there is another.
pub(super) fn post(path: &str, options: &HttpOptions) -> Script {
    let letters = || Payload::new(vec![Part::Fill { fill: "x".to_owned(), count: 65536 }]);
    let send = SendMode::Repeat(options.body.clone().unwrap_or_else(letters));
    let stimulus = Stimulus { kind: Some("an HTTP/2 POST without end".to_owned()), send };
    Script {
        http2: Some(Http2 { method: "POST".to_owned(), ..request(path, options) }),
        ..Script::new(stimulus)
    }
}

/// The header `Host` is the authority in HTTP/2.
fn request(path: &str, options: &HttpOptions) -> Http2 {
    let is_host = |header: &&(String, String)| header.0.eq_ignore_ascii_case("host");
    let host = options.headers.iter().rfind(is_host).map_or(&options.host, |(_, value)| value);
    let headers = options.headers.iter().filter(|header| !is_host(header)).cloned().collect();
    Http2 { path: path.to_owned(), authority: host.clone(), headers, ..Http2::default() }
}
