//! Shapes: scripts for the protocols that one meets most, each made by one small function.
//!
//! A shape is nothing but a way to write a [`Script`]: `--show-script` prints what it makes, ready to be edited.

mod http;
mod lines;
mod redis;
mod websocket;

use std::fmt;

use crate::Script;

/// A protocol that a script is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
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

impl Shape {
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
        ("redis-get", Argument::Needed("KEY")),
        ("redis-subscribe", Argument::Needed("CHANNEL")),
    ];

    /// The shape called `name`, with the path, key or channel `argument`.
    ///
    /// # Errors
    /// A sentence that lists the names, or says that this shape takes no argument, or needs one.
    pub fn parse(name: &str, argument: Option<&str>) -> Result<Shape, String> {
        let Some((name, takes)) = Shape::NAMES.into_iter().find(|(known, _)| *known == name) else {
            let names = Shape::NAMES.map(|(name, _)| name).join(", ");
            return Err(format!("'{name}' is no shape: use one of {names}"));
        };
        let argument = match (takes, argument) {
            (Argument::None, Some(argument)) => {
                return Err(format!("shape '{name}' takes no argument, but was given '{argument}'"));
            }
            (Argument::Needed(what), None) => {
                return Err(format!("shape '{name}' needs its {what}: --shape {name} {what}"));
            }
            (Argument::Path, None) => "/",
            (_, argument) => argument.unwrap_or_default(),
        };
        // A space or a line end would end the request line early and make another request of the rest.
        let is_word =
            !argument.is_empty() && !argument.contains(|c: char| c.is_whitespace() || c.is_control());
        if takes != Argument::None && !is_word {
            return Err(format!("the argument of shape '{name}' must be a word without spaces"));
        }
        let argument = argument.to_owned();
        Ok(match name {
            "echo" => Shape::Echo,
            "raw" => Shape::Raw,
            "u16" => Shape::U16,
            "http-get" => Shape::HttpGet(argument),
            "http-pipeline" => Shape::HttpPipeline(argument),
            "sse" => Shape::Sse(argument),
            "websocket" => Shape::WebSocket(argument),
            "websocket-subscribe" => Shape::WebSocketSubscribe(argument),
            "redis-get" => Shape::RedisGet(argument),
            _ => Shape::RedisSubscribe(argument),
        })
    }

    /// The script, for a server that is called `host` (in protocols that name it).
    pub fn script(&self, host: &str) -> Script {
        match self {
            Shape::Echo => lines::echo(),
            Shape::Raw => lines::raw(),
            Shape::U16 => lines::u16(),
            Shape::HttpGet(path) => http::get(path, host),
            Shape::HttpPipeline(path) => http::pipeline(path, host),
            Shape::Sse(path) => http::sse(path, host),
            Shape::WebSocket(path) => websocket::echo(path, host),
            Shape::WebSocketSubscribe(path) => websocket::subscribe(path, host),
            Shape::RedisGet(key) => redis::get(key),
            Shape::RedisSubscribe(channel) => redis::subscribe(channel),
        }
    }
}

/// The argument that a shape takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// It takes none.
    None,
    /// A path, `/` if it is left out.
    Path,
    /// What is called so, and must be given: there is no name of a key or a channel that is surely nobody's.
    Needed(&'static str),
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Echo => f.write_str("echo"),
            Shape::Raw => f.write_str("raw"),
            Shape::U16 => f.write_str("u16"),
            Shape::HttpGet(path) => write!(f, "http-get {path}"),
            Shape::HttpPipeline(path) => write!(f, "http-pipeline {path}"),
            Shape::Sse(path) => write!(f, "sse {path}"),
            Shape::WebSocket(path) => write!(f, "websocket {path}"),
            Shape::WebSocketSubscribe(path) => write!(f, "websocket-subscribe {path}"),
            Shape::RedisGet(key) => write!(f, "redis-get {key}"),
            Shape::RedisSubscribe(channel) => write!(f, "redis-subscribe {channel}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_makes_a_script_that_toml_reads_back() {
        for (name, takes) in Shape::NAMES {
            let shape = Shape::parse(name, (takes != Argument::None).then_some("word")).unwrap();
            let script = shape.script("127.0.0.1:7007");

            assert!(shape.to_string().starts_with(name));
            assert_eq!(Script::from_toml(&script.to_toml()).as_ref(), Ok(&script), "{name}");
        }
    }

    #[test]
    fn a_wrong_name_or_argument_is_refused_with_what_is_right() {
        assert!(Shape::parse("telnet", None).unwrap_err().contains("websocket-subscribe"));
        assert!(Shape::parse("echo", Some("/x")).unwrap_err().contains("takes no argument"));
        assert!(Shape::parse("http-get", Some("/a b")).unwrap_err().contains("without spaces"));
        assert!(Shape::parse("redis-get", None).unwrap_err().contains("needs its KEY"));
        assert_eq!(Shape::parse("sse", None), Ok(Shape::Sse("/".to_owned())));
    }
}
