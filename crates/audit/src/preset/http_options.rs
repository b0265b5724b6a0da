//! What requests over HTTP and WebSockets carry besides their path.

use crate::script::Payload;

/// What requests over HTTP and WebSockets carry besides their path. Presets of other protocols have no use for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpOptions {
    /// The host that requests name, with its port.
    pub host: String,
    /// Further headers. They replace those of the preset that have the same name.
    pub headers: Vec<(String, String)>,
    /// The body, which makes a GET a POST.
    pub body: Option<Payload>,
    /// The message of a client over a WebSocket, in place of the preset's own.
    pub message: Option<Payload>,
}

impl HttpOptions {
    /// The method of a request that has a body, or not.
    pub(super) fn method(&self) -> &'static str {
        if self.body.is_some() { "POST" } else { "GET" }
    }

    /// The beginning of a request over HTTP/1.1: its line, the preset's own headers, and the given ones.
    pub(super) fn head(&self, method: &str, path: &str, own: &[(&str, &str)]) -> String {
        let is_given = |name: &str| self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let own = [("Host", self.host.as_str())].into_iter().chain(own.iter().copied());
        let own = own.filter(|(name, _)| !is_given(name));
        let given = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: String = own.chain(given).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{method} {path} HTTP/1.1\r\n{headers}\r\n")
    }
}
