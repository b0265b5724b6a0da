//! Presets: scripts for the protocols that one meets most, each made by one small function.
//!
//! A preset is nothing but a way to write a [`Script`]: `--show-script` prints what it makes, ready to be edited.

mod http;
mod lines;
mod redis;
mod websocket;

use std::fmt;

use crate::Script;

/// A protocol that a script is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preset {
    /// Lines of 1 KiB, again and again, each echoed.
    Echo,
    /// Bytes without any framing, echoed.
    Raw,
    /// Payloads led by their length in two bytes, echoed.
    U16,
    /// One GET of a large body.
    HttpGet(String),
    /// GETs without waiting for their answers.
    HttpPipeline(String),
    /// One GET of a stream of events.
    Sse(String),
    /// Messages over a WebSocket, each echoed.
    WebSocket(String),
    /// A WebSocket that is sent what another one says.
    WebSocketSubscribe(String),
    /// Redis GETs of one value.
    RedisGet(String),
    /// A Redis subscriber, with a publisher beside it.
    RedisSubscribe(String),
}

impl Preset {
    /// The names on the command line, each with the argument it takes.
    pub const NAMES: [(&'static str, Argument); 10] = [
        ("echo", Argument::None),
        ("raw", Argument::None),
        ("u16", Argument::None),
        ("http-get", Argument::Path),
        ("http-pipeline", Argument::Path),
        ("sse", Argument::Path),
        ("websocket", Argument::Path),
        ("websocket-subscribe", Argument::Path),
        ("redis-get", Argument::Required("KEY")),
        ("redis-subscribe", Argument::Required("CHANNEL")),
    ];

    /// The preset called `name`, with the path, key or channel `argument`.
    ///
    /// # Errors
    /// A sentence that lists the names, or says that this preset takes no argument, or needs one.
    pub fn parse(name: &str, argument: Option<&str>) -> Result<Preset, String> {
        let Some((name, takes)) = Preset::NAMES.into_iter().find(|(known, _)| *known == name) else {
            let names = Preset::NAMES.map(|(name, _)| name).join(", ");
            return Err(format!("'{name}' is no preset: use one of {names}"));
        };
        let argument = match (takes, argument) {
            (Argument::None, Some(argument)) => {
                return Err(format!("preset '{name}' takes no argument, but was given '{argument}'"));
            }
            (Argument::Required(what), None) => {
                return Err(format!("preset '{name}' needs its {what}: --preset {name} {what}"));
            }
            (Argument::Path, None) => "/",
            (_, argument) => argument.unwrap_or_default(),
        };
        // A space or a line end would end the request line early and make another request of the rest.
        let is_word =
            !argument.is_empty() && !argument.contains(|c: char| c.is_whitespace() || c.is_control());
        if takes != Argument::None && !is_word {
            return Err(format!("the argument of preset '{name}' must be a word without spaces"));
        }
        let argument = argument.to_owned();
        Ok(match name {
            "echo" => Preset::Echo,
            "raw" => Preset::Raw,
            "u16" => Preset::U16,
            "http-get" => Preset::HttpGet(argument),
            "http-pipeline" => Preset::HttpPipeline(argument),
            "sse" => Preset::Sse(argument),
            "websocket" => Preset::WebSocket(argument),
            "websocket-subscribe" => Preset::WebSocketSubscribe(argument),
            "redis-get" => Preset::RedisGet(argument),
            _ => Preset::RedisSubscribe(argument),
        })
    }

    /// The script, for a server that is called `host` (in protocols that name it).
    pub fn script(&self, host: &str) -> Script {
        match self {
            Preset::Echo => lines::echo(),
            Preset::Raw => lines::raw(),
            Preset::U16 => lines::u16(),
            Preset::HttpGet(path) => http::get(path, host),
            Preset::HttpPipeline(path) => http::pipeline(path, host),
            Preset::Sse(path) => http::sse(path, host),
            Preset::WebSocket(path) => websocket::echo(path, host),
            Preset::WebSocketSubscribe(path) => websocket::subscribe(path, host),
            Preset::RedisGet(key) => redis::get(key),
            Preset::RedisSubscribe(channel) => redis::subscribe(channel),
        }
    }
}

/// The argument that a preset takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// It takes none.
    None,
    /// A path, `/` if it is left out.
    Path,
    /// What is called so, and must be given: there is no name of a key or a channel that is surely nobody's.
    Required(&'static str),
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Preset::Echo => f.write_str("echo"),
            Preset::Raw => f.write_str("raw"),
            Preset::U16 => f.write_str("u16"),
            Preset::HttpGet(path) => write!(f, "http-get {path}"),
            Preset::HttpPipeline(path) => write!(f, "http-pipeline {path}"),
            Preset::Sse(path) => write!(f, "sse {path}"),
            Preset::WebSocket(path) => write!(f, "websocket {path}"),
            Preset::WebSocketSubscribe(path) => write!(f, "websocket-subscribe {path}"),
            Preset::RedisGet(key) => write!(f, "redis-get {key}"),
            Preset::RedisSubscribe(channel) => write!(f, "redis-subscribe {channel}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_makes_a_script_that_toml_reads_back() {
        for (name, takes) in Preset::NAMES {
            let preset = Preset::parse(name, (takes != Argument::None).then_some("word")).unwrap();
            let script = preset.script("127.0.0.1:7007");

            assert!(preset.to_string().starts_with(name));
            assert_eq!(Script::from_toml(&script.to_toml()).as_ref(), Ok(&script), "{name}");
        }
    }

    #[test]
    fn a_wrong_name_or_argument_is_refused_with_what_is_right() {
        assert!(Preset::parse("telnet", None).unwrap_err().contains("websocket-subscribe"));
        assert!(Preset::parse("echo", Some("/x")).unwrap_err().contains("takes no argument"));
        assert!(Preset::parse("http-get", Some("/a b")).unwrap_err().contains("without spaces"));
        assert!(Preset::parse("redis-get", None).unwrap_err().contains("needs its KEY"));
        assert_eq!(Preset::parse("sse", None), Ok(Preset::Sse("/".to_owned())));
    }
}
