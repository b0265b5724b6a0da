//! Ready scripts for common protocols, each made by one small function.
//!
//! A preset only saves typing: the command line prints the script that it makes, ready to be edited.

mod http;
mod http2;
mod http_options;
mod lines;
mod redis;
mod websocket;

use std::fmt;
use std::str::FromStr;

pub use http_options::HttpOptions;

use crate::{PresetError, Script};
use websocket::Kind;

/// A protocol with a ready script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preset {
    /// Lines of 1 KiB, sent repeatedly and echoed.
    Echo,
    /// Bytes without framing, sent repeatedly and echoed.
    Raw,
    /// Payloads after a 2-byte length, sent repeatedly and echoed.
    U16,
    /// One GET of a large body.
    HttpGet(String),
    /// Pipelined GETs.
    HttpPipeline(String),
    /// One GET of a stream of server-sent events.
    Sse(String),
    /// One GET of a large body, over HTTP/2.
    Http2Get(String),
    /// A POST over HTTP/2 whose body is repeated.
    Http2Post(String),
    /// WebSocket messages, each echoed.
    WebSocket(String),
    /// WebSocket messages of text, each echoed.
    WebSocketText(String),
    /// A WebSocket client that receives the messages of another client.
    WebSocketSubscribe(String),
    /// A WebSocket client that receives what the server sends by itself.
    WebSocketReceive(String),
    /// Redis GETs of one value.
    RedisGet(String),
    /// A Redis subscriber and a publisher.
    RedisSubscribe(String),
}

impl Preset {
    /// All presets.
    pub const ALL: [PresetInfo; 14] = [
        PresetInfo::new("echo", Argument::None, "lines of 1 KiB, echoed", |_| Preset::Echo),
        PresetInfo::new("raw", Argument::None, "bytes without framing, echoed", |_| Preset::Raw),
        PresetInfo::new("u16", Argument::None, "frames with a 2-byte length, echoed", |_| Preset::U16),
        PresetInfo::new("http-get", Argument::Path, "one GET of a large body", Preset::HttpGet),
        PresetInfo::new("http-pipeline", Argument::Path, "pipelined GETs", Preset::HttpPipeline),
        PresetInfo::new("sse", Argument::Path, "one GET of a stream of server-sent events", Preset::Sse),
        PresetInfo::new("http2-get", Argument::Path, "one GET of a large body over HTTP/2", Preset::Http2Get),
        PresetInfo::new("http2-post", Argument::Path, "a POST without end over HTTP/2", Preset::Http2Post),
        PresetInfo::new(
            "websocket",
            Argument::Path,
            "binary WebSocket messages, each echoed",
            Preset::WebSocket,
        ),
        PresetInfo::new(
            "websocket-text",
            Argument::Path,
            "WebSocket text messages, each echoed",
            Preset::WebSocketText,
        ),
        PresetInfo::new(
            "websocket-subscribe",
            Argument::Path,
            "WebSocket messages sent by a second client",
            Preset::WebSocketSubscribe,
        ),
        PresetInfo::new(
            "websocket-receive",
            Argument::Path,
            "WebSocket messages that the server sends",
            Preset::WebSocketReceive,
        ),
        PresetInfo::new(
            "redis-get",
            Argument::Required { what: "key", example: "mykey" },
            "GETs of a large value",
            Preset::RedisGet,
        ),
        PresetInfo::new(
            "redis-subscribe",
            Argument::Required { what: "channel", example: "news" },
            "messages published by a second client",
            Preset::RedisSubscribe,
        ),
    ];

    /// The script, for a server that is called `host` in protocols whose requests name the host.
    pub fn script(&self, host: &str) -> Script {
        self.script_with(&HttpOptions { host: host.to_owned(), ..HttpOptions::default() })
    }

    /// The script, with what its requests over HTTP carry.
    pub fn script_with(&self, options: &HttpOptions) -> Script {
        match self {
            Preset::Echo => lines::echo(),
            Preset::Raw => lines::raw(),
            Preset::U16 => lines::u16(),
            Preset::HttpGet(path) => http::get(path, options),
            Preset::HttpPipeline(path) => http::pipeline(path, options),
            Preset::Sse(path) => http::sse(path, options),
            Preset::Http2Get(path) => http2::get(path, options),
            Preset::Http2Post(path) => http2::post(path, options),
            Preset::WebSocket(path) => websocket::echo(Kind::Binary, path, options),
            Preset::WebSocketText(path) => websocket::echo(Kind::Text, path, options),
            Preset::WebSocketSubscribe(path) => websocket::subscribe(path, options),
            Preset::WebSocketReceive(path) => websocket::receive(path, options),
            Preset::RedisGet(key) => redis::get(key),
            Preset::RedisSubscribe(channel) => redis::subscribe(channel),
        }
    }

    /// Whether it begins with a request over HTTP, which has headers.
    pub fn has_headers(&self) -> bool {
        match self {
            Preset::HttpGet(_)
            | Preset::HttpPipeline(_)
            | Preset::Sse(_)
            | Preset::Http2Get(_)
            | Preset::Http2Post(_)
            | Preset::WebSocket(_)
            | Preset::WebSocketText(_)
            | Preset::WebSocketSubscribe(_)
            | Preset::WebSocketReceive(_) => true,
            Preset::Echo | Preset::Raw | Preset::U16 | Preset::RedisGet(_) | Preset::RedisSubscribe(_) => {
                false
            }
        }
    }

    /// Whether its request over HTTP may have a body.
    pub fn has_body(&self) -> bool {
        self.has_headers() && !self.is_websocket()
    }

    /// Whether it is one of WebSocket, whose client may send a message.
    pub fn is_websocket(&self) -> bool {
        matches!(
            self,
            Preset::WebSocket(_)
                | Preset::WebSocketText(_)
                | Preset::WebSocketSubscribe(_)
                | Preset::WebSocketReceive(_)
        )
    }

    /// Whether it is one of HTTP/2.
    pub fn is_http2(&self) -> bool {
        matches!(self, Preset::Http2Get(_) | Preset::Http2Post(_))
    }

    fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Preset::Echo => ("echo", None),
            Preset::Raw => ("raw", None),
            Preset::U16 => ("u16", None),
            Preset::HttpGet(path) => ("http-get", Some(path)),
            Preset::HttpPipeline(path) => ("http-pipeline", Some(path)),
            Preset::Sse(path) => ("sse", Some(path)),
            Preset::Http2Get(path) => ("http2-get", Some(path)),
            Preset::Http2Post(path) => ("http2-post", Some(path)),
            Preset::WebSocket(path) => ("websocket", Some(path)),
            Preset::WebSocketText(path) => ("websocket-text", Some(path)),
            Preset::WebSocketSubscribe(path) => ("websocket-subscribe", Some(path)),
            Preset::WebSocketReceive(path) => ("websocket-receive", Some(path)),
            Preset::RedisGet(key) => ("redis-get", Some(key)),
            Preset::RedisSubscribe(channel) => ("redis-subscribe", Some(channel)),
        }
    }
}

/// Parses `NAME` or `NAME:ARG`. The first colon ends the name, so the argument may contain others.
impl FromStr for Preset {
    type Err = PresetError;

    /// # Errors
    /// [`PresetError`], which lists the presets, or has an example of the argument.
    fn from_str(text: &str) -> Result<Preset, PresetError> {
        let (name, argument) = match text.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (text, None),
        };
        let Some(info) = Preset::ALL.into_iter().find(|info| info.name == name) else {
            return Err(PresetError::Unknown);
        };
        let name = info.name;
        let argument = match (info.argument, argument) {
            (Argument::None, Some(_)) => return Err(PresetError::NoArgument(name)),
            (Argument::Required { what, example }, None | Some("")) => {
                return Err(PresetError::MissingArgument { name, what, example });
            }
            (Argument::Path, None | Some("")) => "/",
            (_, argument) => argument.unwrap_or_default(),
        };
        // A space or a line end would end the request line early and turn the rest into another request.
        if argument.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(PresetError::NotAWord(name));
        }
        Ok((info.make)(argument.to_owned()))
    }
}

/// `NAME` or `NAME:ARG`, as it is parsed.
impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            (name, Some(argument)) => write!(f, "{name}:{argument}"),
            (name, None) => f.write_str(name),
        }
    }
}

/// What there is to know about a preset before it is used.
#[derive(Debug, Clone, Copy)]
pub struct PresetInfo {
    /// Its name.
    pub name: &'static str,
    /// The argument that it accepts.
    pub argument: Argument,
    /// What it sends, as a noun phrase.
    pub about: &'static str,
    /// Makes it with its argument.
    make: fn(String) -> Preset,
}

impl PresetInfo {
    const fn new(
        name: &'static str,
        argument: Argument,
        about: &'static str,
        make: fn(String) -> Preset,
    ) -> PresetInfo {
        PresetInfo { name, argument, about, make }
    }
}

/// `NAME` or `NAME:ARG`, as it is written on the command line.
impl fmt::Display for PresetInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.argument)
    }
}

/// The argument that a preset accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// None.
    None,
    /// A path; `/` if it is omitted.
    Path,
    /// A name. It has no default, because any default could be a key or channel that is in use.
    Required {
        /// What it names.
        what: &'static str,
        /// A usual one, for an error.
        example: &'static str,
    },
}

/// `:PATH`, `:KEY` or nothing, as it is written after the name in help texts.
impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::None => Ok(()),
            Argument::Path => f.write_str(":PATH"),
            Argument::Required { what, .. } => write!(f, ":{}", what.to_uppercase()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_makes_a_script_that_toml_reads_back() {
        for PresetInfo { name, argument, .. } in Preset::ALL {
            let text = match argument {
                Argument::None => name.to_owned(),
                Argument::Path => format!("{name}:/word"),
                Argument::Required { .. } => format!("{name}:word"),
            };
            let preset: Preset = text.parse().unwrap();
            let script = preset.script("127.0.0.1:7007");

            assert_eq!(preset.to_string(), text);
            assert_eq!(Script::from_toml(&script.to_toml()).unwrap(), script, "{name}");
        }
    }

    #[test]
    fn the_first_colon_ends_the_name() {
        let preset = |text: &str| text.parse::<Preset>().unwrap();

        assert_eq!(preset("redis-get:user:7:name"), Preset::RedisGet("user:7:name".to_owned()));
        assert_eq!(preset("sse:/a?at=10:30"), Preset::Sse("/a?at=10:30".to_owned()));
        assert_eq!(preset("redis-get::"), Preset::RedisGet(":".to_owned()));
    }

    #[test]
    fn a_missing_path_is_the_root() {
        for text in ["sse", "sse:"] {
            assert_eq!(text.parse::<Preset>().unwrap(), Preset::Sse("/".to_owned()));
        }
    }

    #[test]
    fn errors_name_what_is_accepted() {
        let error = |text: &str| text.parse::<Preset>().unwrap_err().to_string();

        let unknown = error("telnet");
        assert!(unknown.starts_with("no such preset: expected echo, raw, "), "{unknown}");
        assert!(
            unknown.contains("http-get:PATH") && unknown.ends_with("redis-subscribe:CHANNEL"),
            "{unknown}"
        );
        for text in ["echo:/x", "echo:"] {
            assert_eq!(error(text), "echo accepts no argument: use echo");
        }
        for text in ["redis-get", "redis-get:"] {
            assert_eq!(error(text), "redis-get needs a key: for example redis-get:mykey");
        }
        assert_eq!(
            error("redis-subscribe"),
            "redis-subscribe needs a channel: for example redis-subscribe:news"
        );
        for text in ["http-get:/a b", "http-get:/a\r\nDELETE"] {
            assert!(error(text).contains("without spaces"));
        }
    }
}
