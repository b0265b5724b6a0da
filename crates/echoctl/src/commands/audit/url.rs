//! A URL as a target: how the server is reached, and what is requested.
//!
//! ```text
//! https://localhost:{port}/events?n=1#top
//! scheme  host      port  path         fragment, which is not sent
//! ```
//!
//! Paths are sent as they are written, percent-encoding included.

use std::fmt;

use super::start::Start;

/// A URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// As it is written.
    pub(super) text: String,
    pub(super) scheme: Scheme,
    /// The host as written; an IPv6 address is in brackets.
    host: String,
    port: Port,
    /// The path with its query, as written; empty if there is none.
    pub(super) path: String,
}

/// The port of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    /// Not written.
    Absent,
    /// Written.
    Number(u16),
    /// `{port}`: the one that the command gets.
    OfCommand,
}

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    Ws,
    Wss,
    /// HTTP/2 without TLS, from the first byte on.
    H2c,
    Grpc,
    Grpcs,
    Redis,
    /// Any bytes, inside TLS.
    Tls,
}

impl Scheme {
    pub(super) const ALL: [Scheme; 9] = [
        Scheme::Http,
        Scheme::Https,
        Scheme::Ws,
        Scheme::Wss,
        Scheme::H2c,
        Scheme::Grpc,
        Scheme::Grpcs,
        Scheme::Redis,
        Scheme::Tls,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
            Scheme::H2c => "h2c",
            Scheme::Grpc => "grpc",
            Scheme::Grpcs => "grpcs",
            Scheme::Redis => "redis",
            Scheme::Tls => "tls",
        }
    }

    pub(super) fn is_tls(self) -> bool {
        matches!(self, Scheme::Https | Scheme::Wss | Scheme::Grpcs | Scheme::Tls)
    }

    /// The scheme of the same protocol inside TLS; itself if it is one.
    pub(super) fn inside_tls(self) -> Scheme {
        match self {
            Scheme::Http | Scheme::H2c => Scheme::Https,
            Scheme::Ws => Scheme::Wss,
            Scheme::Grpc => Scheme::Grpcs,
            Scheme::Redis => Scheme::Tls,
            tls => tls,
        }
    }

    fn default_port(self) -> Option<u16> {
        match self {
            Scheme::Http | Scheme::Ws | Scheme::H2c | Scheme::Grpc => Some(80),
            Scheme::Https | Scheme::Wss | Scheme::Grpcs => Some(443),
            Scheme::Redis => Some(6379),
            Scheme::Tls => None,
        }
    }
}

impl Url {
    /// Whether a text is meant as a URL.
    pub(super) fn is_meant(text: &str) -> bool {
        text.contains("://")
    }

    /// Whether a URL has a user name before its host.
    pub(super) fn has_user(text: &str) -> bool {
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
    }

    /// Parses a URL.
    pub(super) fn parse(text: &str) -> Result<Url, String> {
        let (scheme, rest) = text.split_once("://").ok_or("expected scheme://host")?;
        let found = Scheme::ALL.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.name()));
        let scheme = found.ok_or_else(|| {
            format!("unknown scheme: expected {} or unix", Scheme::ALL.map(Scheme::name).join(", "))
        })?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = host_and_port(authority)?;
        // It ends up in the line of a request.
        if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err("the path has a space or a control character: percent-encode it".to_owned());
        }
        let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        Ok(Url { text: text.to_owned(), scheme, host: host.to_owned(), port, path })
    }

    /// Whether its port is the one that the command gets.
    pub(super) fn has_port_of_command(&self) -> bool {
        self.port == Port::OfCommand
    }

    /// `host:port`, with the default port of the scheme. `None` without a port.
    pub(super) fn addr(&self) -> Option<String> {
        let port = match self.port {
            Port::Number(port) => Some(port),
            Port::Absent => self.scheme.default_port(),
            Port::OfCommand => None,
        };
        Some(format!("{}:{}", self.host, port?))
    }

    /// `host:port` if the port is written.
    pub(super) fn written_addr(&self) -> Option<String> {
        if matches!(self.port, Port::Number(_)) { self.addr() } else { None }
    }

    /// The host that requests name: with its port, unless that is the default of the scheme.
    pub(super) fn authority(&self, port: Option<u16>) -> String {
        let written = match self.port {
            Port::Number(port) => Some(port),
            Port::Absent | Port::OfCommand => port,
        };
        match written.filter(|port| self.scheme.default_port() != Some(*port)) {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// `host:port` as another URL of the same server has it: with `{port}` if that is written, and without a port only if it is free
    /// to be chosen.
    pub(super) fn same_authority(&self, start: Start) -> String {
        match (self.port, self.addr()) {
            (Port::OfCommand, _) => format!("{}:{{port}}", self.host),
            (Port::Number(port), _) => format!("{}:{port}", self.host),
            (Port::Absent, Some(addr)) if start == Start::Running => addr,
            (Port::Absent, _) => self.host.clone(),
        }
    }

    /// The host without brackets.
    pub(super) fn host_name(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Port), String> {
    // The colons inside brackets are those of an IPv6 address.
    let after_host = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[after_host..].rfind(':') {
        Some(at) => (&authority[..after_host + at], Some(&authority[after_host + at + 1..])),
        None => (authority, None),
    };
    let is_word = !host.contains(|c: char| c.is_whitespace() || c.is_control());
    let is_bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let is_valid = match host.contains(['[', ']', ':']) {
        true => is_bracketed && host[1..host.len() - 1].parse::<std::net::Ipv6Addr>().is_ok(),
        false => !host.is_empty() && is_word,
    };
    if !is_valid {
        return Err("expected a host after ://, and an IPv6 address in brackets".to_owned());
    }
    let port = match port {
        None | Some("") => Port::Absent,
        Some("{port}") => Port::OfCommand,
        Some(digits) => {
            let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>().ok());
            let number = number.flatten().filter(|port| *port > 0);
            Port::Number(number.ok_or("expected a port from 1 to 65535, or {port}")?)
        }
    };
    Ok((host, port))
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, scheme, addr, authority, path) in [
            ("http://localhost", Scheme::Http, "localhost:80", "localhost", ""),
            ("http://localhost/", Scheme::Http, "localhost:80", "localhost", "/"),
            ("HTTP://LocalHost:80/a", Scheme::Http, "LocalHost:80", "LocalHost", "/a"),
            ("http://localhost:8080?x=1", Scheme::Http, "localhost:8080", "localhost:8080", "/?x=1"),
            ("https://127.0.0.1:8443/a?b=c#d", Scheme::Https, "127.0.0.1:8443", "127.0.0.1:8443", "/a?b=c"),
            ("https://h#/x", Scheme::Https, "h:443", "h", ""),
            ("https://h:/x", Scheme::Https, "h:443", "h", "/x"),
            ("ws://[::1]/chat", Scheme::Ws, "[::1]:80", "[::1]", "/chat"),
            ("wss://[::1]:9/", Scheme::Wss, "[::1]:9", "[::1]:9", "/"),
            ("h2c://h:8080/%7Ea%20b", Scheme::H2c, "h:8080", "h:8080", "/%7Ea%20b"),
            ("grpc://h:50051", Scheme::Grpc, "h:50051", "h:50051", ""),
            ("grpcs://h/s.S/M", Scheme::Grpcs, "h:443", "h", "/s.S/M"),
            ("redis://h/user:7:name", Scheme::Redis, "h:6379", "h", "/user:7:name"),
            ("http://h/a@b:c//d?e?f", Scheme::Http, "h:80", "h", "/a@b:c//d?e?f"),
            ("tls://h:1", Scheme::Tls, "h:1", "h:1", ""),
        ] {
            let url = Url::parse(text).unwrap();

            assert_eq!((url.scheme, url.path.as_str()), (scheme, path), "{text}");
            assert_eq!(url.addr().as_deref(), Some(addr), "{text}");
            assert_eq!(url.authority(None), authority, "{text}");
        }
    }

    #[test]
    fn the_port_of_the_command_is_filled_in() {
        let url = |text: &str| Url::parse(text).unwrap();

        let chosen = url("https://localhost:{port}/events");
        assert!(chosen.has_port_of_command());
        assert_eq!((chosen.addr(), chosen.authority(Some(4000))), (None, "localhost:4000".to_owned()));
        assert_eq!(chosen.authority(Some(443)), "localhost");
        let absent = url("http://localhost/events");
        assert_eq!(
            (absent.written_addr(), absent.authority(Some(4000))),
            (None, "localhost:4000".to_owned())
        );
        let written = url("http://localhost:81");
        assert_eq!(written.written_addr().as_deref(), Some("localhost:81"));
        assert_eq!(written.authority(Some(4000)), "localhost:81");
    }

    #[test]
    fn the_name_of_a_host_has_no_brackets() {
        for (text, name) in [("tls://[::1]:9", "::1"), ("tls://h:9", "h"), ("wss://127.0.0.1", "127.0.0.1")] {
            assert_eq!(Url::parse(text).unwrap().host_name(), name);
        }
        assert_eq!(Url::parse("tls://h").unwrap().addr(), None, "it has no default port");
    }

    #[test]
    fn a_user_is_found_before_the_host_only() {
        for (text, expected) in
            [("http://me:secret@h/", true), ("http://@h", true), ("http://h/a@b", false), ("h", false)]
        {
            assert_eq!(Url::has_user(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_url_is_refused() {
        for (text, part) in [
            (
                "ftp://h",
                "unknown scheme: expected http, https, ws, wss, h2c, grpc, grpcs, redis, tls or unix",
            ),
            ("://h", "unknown scheme"),
            ("http://", "expected a host"),
            ("http:///path", "expected a host"),
            ("http://:80", "expected a host"),
            ("http://a b/", "expected a host"),
            ("http://::1/", "expected a host"),
            ("http://[::1/", "expected a host"),
            ("http://[x]/", "expected a host"),
            ("http://[]:1/", "expected a host"),
            ("http://[::1]x:1/", "expected a host"),
            ("http://h:99999", "expected a port"),
            ("http://h:0", "expected a port"),
            ("http://h:+8", "expected a port"),
            ("http://h:{x}", "expected a port"),
            ("http://me:secret@h/", "expected a port"),
            ("http://h/a b", "percent-encode"),
            ("http://h/a\r\nb", "percent-encode"),
        ] {
            let error = Url::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
