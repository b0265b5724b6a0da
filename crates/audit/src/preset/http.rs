//! Presets for HTTP: one request with a large or endless reply, or pipelined requests.
//!
//! The presets with one request have no bystander, because a second reader of a large body is a load of its own.

use super::HttpOptions;
use crate::script::{Part, Payload, Script, Step, Stimulus};

/// One GET, or a POST of a body.
pub(super) fn get(path: &str, options: &HttpOptions) -> Script {
    Script::new(Stimulus::once(&format!("one HTTP {}", options.method()), request(path, options, &[])))
}

/// One request for a stream of server-sent events.
pub(super) fn sse(path: &str, options: &HttpOptions) -> Script {
    let request = request(path, options, &[("Accept", "text/event-stream"), ("Cache-Control", "no-cache")]);
    Script::new(Stimulus::once(&format!("one {} of an event stream", options.method()), request))
}

/// Requests, pipelined.
pub(super) fn pipeline(path: &str, options: &HttpOptions) -> Script {
    let kind = format!("pipelined HTTP {}s", options.method());
    let stimulus = Stimulus::repeat(&kind, request(path, options, &[]));
    let bystander = Step::ask(request(path, options, &[]), Payload::text("HTTP/1."));
    Script { bystander: Some(bystander), ..Script::new(stimulus) }
}

fn request(path: &str, options: &HttpOptions, own: &[(&str, &str)]) -> Payload {
    let method = options.method();
    let Some(body) = &options.body else { return Payload::text(options.head(method, path, own)) };
    let length = body.len().to_string();
    let own = [own, &[("Content-Length", length.as_str())]].concat();
    body.after(Part::Text(options.head(method, path, &own)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(payload: &Payload) -> String {
        String::from_utf8(payload.bytes()).unwrap()
    }

    #[test]
    fn a_header_replaces_the_one_of_the_preset() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let options = HttpOptions {
            host: "localhost".to_owned(),
            headers: vec![header("accept", "*/*"), header("X-A", "1"), header("X-A", "2")],
            ..HttpOptions::default()
        };

        let request =
            request("/", &options, &[("Accept", "text/event-stream"), ("Cache-Control", "no-cache")]);

        let expected = "GET / HTTP/1.1\r\nHost: localhost\r\nCache-Control: no-cache\r\naccept: */*\r\nX-A: 1\r\nX-A: 2\r\n\r\n";
        assert_eq!(text(&request), expected);
    }

    #[test]
    fn a_body_makes_a_post_with_its_length() {
        let body = Some(Payload::text("{}"));
        let options = HttpOptions { host: "h:1".to_owned(), body, ..HttpOptions::default() };

        assert_eq!(
            text(&request("/a", &options, &[])),
            "POST /a HTTP/1.1\r\nHost: h:1\r\nContent-Length: 2\r\n\r\n{}"
        );
    }
}
