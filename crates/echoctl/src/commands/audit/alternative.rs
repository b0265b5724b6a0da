//! The command line of the same audit over something else: TLS, HTTP/2, another path, another preset.

use echoctl_audit::{Preset, Protocol, Transport};

use super::chosen::{Chosen, Source};
use super::command::{self, Change};
use super::url::Scheme;

/// Over TLS. `None` for a Unix socket.
pub(super) fn over_tls(sent: &Chosen) -> Option<String> {
    let url = |scheme, path: &str| sent.to.as_url(scheme, path, sent.start);
    match (sent.to.scheme(), &sent.source) {
        (Some(Scheme::H2c), Source::Preset(_)) if !sent.is_preset_given => {
            let url = url(Scheme::Https, sent.to.path())?;
            Some(changed(sent, Some(&["--http2"]), Some(&url)))
        }
        (Some(Scheme::Redis), Source::Preset(preset)) => {
            let url = url(Scheme::Tls, "")?;
            Some(changed(sent, Some(&["--preset", &preset.to_string()]), Some(&url)))
        }
        (Some(scheme), _) => Some(changed(sent, None, Some(&url(scheme.inside_tls(), sent.to.path())?))),
        (None, source) => {
            let url = match source {
                Source::Preset(preset) if preset.is_websocket() => url(Scheme::Wss, ""),
                Source::Preset(preset) if preset.has_headers() => url(Scheme::Https, ""),
                // Nothing was chosen, and most servers that speak TLS speak HTTP.
                Source::Preset(_) if !sent.is_preset_given => url(Scheme::Https, "/"),
                Source::Call(_) => url(Scheme::Grpcs, ""),
                Source::Preset(_) | Source::File(..) | Source::Request(_) => url(Scheme::Tls, ""),
                // It chooses its protocol itself.
                Source::Client(_) => None,
            };
            Some(changed(sent, None, Some(&url?)))
        }
    }
}

/// Without TLS. `None` if a script asks for it.
pub(super) fn without_tls(sent: &Chosen) -> Option<String> {
    let is_http2 = matches!(&sent.source, Source::Preset(preset) if preset.is_http2());
    let (scheme, stimulus): (_, Option<&[&str]>) = match sent.to.scheme()? {
        Scheme::Https if is_http2 && !sent.is_preset_given => (Scheme::H2c, Some(&[])),
        Scheme::Https => (Scheme::Http, None),
        Scheme::Wss => (Scheme::Ws, None),
        Scheme::Grpcs => (Scheme::Grpc, None),
        _ => return sent.to.written_addr().map(|addr| changed(sent, None, Some(&addr))),
    };
    let url = sent.to.as_url(scheme, sent.to.path(), sent.start)?;
    Some(changed(sent, stimulus, Some(&url)))
}

/// Over HTTP/2.
pub(super) fn over_http2(sent: &Chosen) -> Option<String> {
    let path = http_path(sent);
    match sent.transport() {
        Some(Transport::Unix) => Some(with_preset(sent, &format!("http2-get:{path}"))),
        Some(Transport::Tls) => {
            let url = sent.to.as_url(Scheme::Https, path, sent.start)?;
            Some(changed(sent, Some(&["--http2"]), Some(&url)))
        }
        Some(Transport::Tcp) | None => {
            let url = sent.to.as_url(Scheme::H2c, path, sent.start)?;
            Some(changed(sent, Some(&[]), Some(&url)))
        }
    }
}

/// Over HTTP/1.1. `None` for a call over gRPC, which needs HTTP/2.
pub(super) fn over_http1(sent: &Chosen) -> Option<String> {
    if matches!(sent.source, Source::Call(_)) {
        return None;
    }
    let scheme = if sent.transport() == Some(Transport::Tls) { Scheme::Https } else { Scheme::Http };
    let url = sent.to.as_url(scheme, http_path(sent), sent.start)?;
    Some(changed(sent, Some(&[]), Some(&url)))
}

/// With a stimulus of this protocol. `None` if a URL has no address of its own for it.
pub(super) fn with_stimulus(sent: &Chosen, protocol: Protocol, options: &[&str]) -> Option<String> {
    match sent.to.scheme() {
        None => Some(changed(sent, Some(options), None)),
        Some(_) if protocol == Protocol::Http => over_http1(sent),
        Some(scheme) if scheme.is_tls() => {
            let url = sent.to.as_url(Scheme::Tls, "", sent.start)?;
            Some(changed(sent, Some(options), Some(&url)))
        }
        Some(_) => sent.to.written_addr().map(|addr| changed(sent, Some(options), Some(&addr))),
    }
}

/// With another preset at the same address.
pub(super) fn with_preset(sent: &Chosen, preset: &str) -> String {
    let url = sent.to.scheme().and_then(|scheme| sent.to.as_url(scheme, "", sent.start));
    changed(sent, Some(&["--preset", preset]), url.as_deref())
}

/// With one request for another path.
pub(super) fn at_path(sent: &Chosen, path: &str) -> String {
    match sent.to.scheme().and_then(|scheme| sent.to.as_url(scheme, path, sent.start)) {
        Some(url) => changed(sent, Some(&[]), Some(&url)),
        None => {
            let name = if sent.is_http2() { "http2-get" } else { "http-get" };
            changed(sent, Some(&["--preset", &format!("{name}:{path}")]), None)
        }
    }
}

/// With a header to complete; a request that was given is replaced by one.
pub(super) fn with_credentials(sent: &Chosen) -> String {
    match sent.source {
        Source::Preset(_) | Source::Call(_) => with_more(&["--header", "Authorization: CREDENTIALS"]),
        Source::File(..) | Source::Request(_) | Source::Client(_) => {
            changed(sent, Some(&["--request", WITH_CREDENTIALS, "--once"]), None)
        }
    }
}

/// With a message to complete.
pub(super) fn with_message(sent: &Chosen) -> String {
    match sent.is_preset_given {
        true => with_more(&["--message", "MESSAGE"]),
        false => with_more(&["--message", "MESSAGE", "--repeat"]),
    }
}

/// With further options.
pub(super) fn with_more(more: &[&str]) -> String {
    command::changed(&Change { more, ..Change::default() })
}

fn changed(sent: &Chosen, stimulus: Option<&[&str]>, addr: Option<&str>) -> String {
    command::changed(&Change { stimulus, addr, given_addr: sent.to.text(), more: &[] })
}

/// The path of the request over HTTP that was sent, or the root.
fn http_path(sent: &Chosen) -> &str {
    match &sent.source {
        Source::Preset(
            Preset::HttpGet(path)
            | Preset::HttpPipeline(path)
            | Preset::Sse(path)
            | Preset::Http2Get(path)
            | Preset::Http2Post(path)
            | Preset::WebSocket(path)
            | Preset::WebSocketText(path)
            | Preset::WebSocketSubscribe(path)
            | Preset::WebSocketReceive(path),
        ) => path,
        _ => "/",
    }
}

/// A request to complete. The field is the one that most servers read.
const WITH_CREDENTIALS: &str = r"GET /PATH HTTP/1.1\r\nHost: localhost\r\nAuthorization: CREDENTIALS\r\n\r\n";
