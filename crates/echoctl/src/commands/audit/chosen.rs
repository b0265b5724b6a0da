//! What is sent to the server, with its names.

use std::path::PathBuf;

use anyhow::anyhow;
use echoctl_audit::{
    Error, Grpc, Http2, HttpOptions, Payload, Preset, Protocol, Script, Stall, Stimulus, Transport,
};
use echoctl_verdict::Advice;

use super::answer::Answer;
use super::client;
use super::destination::Destination;
use super::failure::failure;
use super::start::Start;
use super::suggestion::Suggestion;
use super::url::Scheme;
use crate::commands::advice;
use crate::exit::{Exit, Failure};

/// What is sent, and how.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) source: Source,
    /// Whether the preset was given, and does not follow from the URL.
    pub(super) is_preset_given: bool,
    pub(super) to: Destination,
    pub(super) start: Start,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Payload>,
    pub(super) message: Option<Payload>,
    pub(super) streams: Option<u32>,
    pub(super) stall: Option<Stall>,
}

/// Where the script comes from.
#[derive(Debug)]
pub(super) enum Source {
    Preset(Preset),
    /// A script file, which is sent as it is.
    File(PathBuf, Box<Script>),
    /// A request, which is sent as it is.
    Request(Box<Script>),
    /// A call over gRPC.
    Call(Grpc),
    /// A client with this command.
    Client(String),
}

impl Chosen {
    /// A client with this command, in place of a script.
    ///
    /// # Errors
    /// Exit 2 for a URL, which would choose what is sent.
    pub(super) fn client(command: &str, to: &Destination, start: Start) -> Result<Chosen, Failure> {
        if let Some(scheme) = to.scheme() {
            return Err(Failure::usage(format_args!("{scheme}:// has no effect with --client"))
                .hint("give the server as host:port; the URL belongs into the client's command"));
        }
        Ok(Chosen {
            source: Source::Client(command.split_whitespace().collect::<Vec<_>>().join(" ")),
            is_preset_given: false,
            to: to.clone(),
            start,
            headers: Vec::new(),
            body: None,
            message: None,
            streams: None,
            stall: None,
        })
    }

    /// What to try next after an audit with it.
    pub(super) fn advice(&self, given: Advice) -> String {
        match self.source {
            Source::Client(_) => client::advice(given),
            _ => advice::text(given),
        }
    }

    /// Its name in reports: `echo`.
    pub(super) fn name(&self) -> String {
        match &self.source {
            Source::Preset(preset) => preset.to_string(),
            Source::File(path, script) => {
                script.stimulus.kind.clone().unwrap_or_else(|| path.display().to_string())
            }
            Source::Request(script) => script.stimulus.kind.clone().unwrap_or_default(),
            Source::Call(call) => format!("grpc:{}", call.path),
            Source::Client(command) => format!("client {command}"),
        }
    }

    /// Its name in a headline: `preset echo`.
    pub(super) fn label(&self) -> String {
        let name = self.name();
        match &self.source {
            Source::Preset(_) => format!("preset {name}"),
            Source::File(..) => format!("script {name}"),
            Source::Request(_) | Source::Client(_) => name,
            Source::Call(call) => format!("gRPC call {}", call.path),
        }
    }

    /// The script for a server that requests call `host`.
    pub(super) fn script(&self, host: &str) -> Script {
        let mut script = match &self.source {
            Source::Preset(preset) => preset.script_with(&HttpOptions {
                host: host.to_owned(),
                headers: self.headers.clone(),
                body: self.body.clone(),
                message: self.message.clone(),
            }),
            Source::File(_, script) | Source::Request(script) => Script::clone(script),
            Source::Call(call) => self.call(call, host),
            // What it sends is its own.
            Source::Client(_) => Script::new(Stimulus::once("client", Payload::default())),
        };
        script.transport = self.to.transport().or(script.transport);
        if script.transport == Some(Transport::Tls) && script.alpn.is_empty() {
            script.alpn = self.alpn(&script);
        }
        if self.streams.is_some() || self.stall.is_some() {
            let http2 = script.http2.get_or_insert_default();
            http2.streams = self.streams.unwrap_or(http2.streams);
            http2.stall = self.stall.or(http2.stall);
        }
        script
    }

    fn call(&self, call: &Grpc, host: &str) -> Script {
        let kind = if call.repeat { "a gRPC call, messages repeated" } else { "one gRPC call" };
        let http2 = Http2 { authority: host.to_owned(), headers: self.headers.clone(), ..Http2::default() };
        let stimulus = Stimulus::once(kind, Payload::default());
        Script { http2: Some(http2), grpc: Some(call.clone()), ..Script::new(stimulus) }
    }

    /// What is offered over TLS: what the URL and the requests are about.
    fn alpn(&self, script: &Script) -> Vec<String> {
        let is_http = matches!(self.to.scheme(), Some(Scheme::Https | Scheme::Wss));
        if script.http2.is_some() || script.grpc.is_some() {
            vec![Script::H2.to_owned()]
        } else if is_http {
            vec!["http/1.1".to_owned()]
        } else {
            Vec::new()
        }
    }

    /// Whether it is a call with a message that is not empty.
    pub(super) fn has_message(&self) -> bool {
        matches!(&self.source, Source::Call(call) if !call.message.is_empty())
    }

    /// What carries it.
    pub(super) fn transport(&self) -> Option<Transport> {
        match &self.source {
            Source::File(_, script) => self.to.transport().or(script.transport),
            _ => self.to.transport(),
        }
    }

    /// Whether it is sent over HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        match &self.source {
            Source::Preset(preset) => preset.is_http2(),
            Source::File(_, script) | Source::Request(script) => {
                script.http2.is_some() || script.grpc.is_some()
            }
            Source::Call(_) => true,
            Source::Client(_) => false,
        }
    }

    /// Refuses what does not go together.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let is_http2 = self.is_http2();
        if let Some(scheme @ (Scheme::H2c | Scheme::Grpc | Scheme::Grpcs)) = self.to.scheme()
            && !is_http2
        {
            let what = self.label();
            return Err(Failure::usage(format_args!("{what} is not HTTP/2, and {scheme}:// is")));
        }
        for (option, is_given) in [("--streams", self.streams.is_some()), ("--stall", self.stall.is_some())] {
            if is_given && !is_http2 {
                return Err(Failure::usage(format_args!("{option} has no effect without HTTP/2")));
            }
        }
        if let Source::File(path, script) = &self.source {
            let path = path.display();
            if script.transport.is_some_and(|own| self.to.transport().is_some_and(|given| own != given)) {
                return Err(Failure::usage(format_args!(
                    "the transport of script {path} is not that of the address"
                )));
            }
            if script.transport == Some(Transport::Unix) && self.to.transport().is_none() {
                return Err(Failure::usage(format_args!("script {path} needs a Unix socket"))
                    .hint("give its path as unix:PATH, or unix: for a path of a command"));
            }
        }
        if let Source::Call(call) = &self.source {
            let invalid =
                |_| Failure::usage(format_args!("method {}: expected /package.Service/Method", call.path));
            call.check().map_err(invalid)?;
        }
        let script = self.script("localhost");
        if script.transport.is_none() && !script.alpn.is_empty() {
            return Err(Failure::usage("the field 'alpn' of the script has no effect without TLS")
                .hint("add transport = \"tls\" to it, or give the address as tls://host:port"));
        }
        script.check().map_err(|error| Failure::new(Exit::Usage, error))
    }

    /// Whether it may be what a server of this protocol expects. A script or a request is taken to be, as far as that can be seen.
    pub(super) fn fits(&self, protocol: Protocol) -> bool {
        match (&self.source, protocol) {
            (Source::Client(_), _) => true,
            (_, Protocol::Tls | Protocol::WebSocketClose) => false,
            (_, Protocol::Http2) => self.is_http2(),
            (Source::Preset(preset), Protocol::Http) => preset.has_headers() && !preset.is_http2(),
            (Source::Preset(preset), Protocol::Redis) => {
                matches!(preset, Preset::RedisGet(_) | Preset::RedisSubscribe(_))
            }
            (Source::Preset(_) | Source::Call(_), _) => false,
            (Source::File(_, script) | Source::Request(script), Protocol::Http) => {
                script.to_toml().contains("HTTP/1.")
            }
            (Source::File(..) | Source::Request(_), _) => true,
        }
    }

    /// The failure of an attack. If a step of the script got an answer of another protocol, it says what to send instead.
    pub(super) fn failure(&self, error: Error) -> Failure {
        if let Some(next) = Suggestion::without_session(&error, self) {
            return failure(error).hint(next.line());
        }
        let Error::Step { failure: reason, .. } = &error else { return failure(error) };
        let answer = Answer::unexpected(reason);
        let asks_for_login = answer.as_ref().is_some_and(Answer::asks_for_login);
        let suggestion = answer.and_then(|answer| Suggestion::after(&answer, self));
        match (&self.source, suggestion) {
            (_, Some(suggestion)) if suggestion.is_other_protocol || asks_for_login => {
                failure(error).hint(suggestion.line())
            }
            (Source::Preset(Preset::RedisGet(_) | Preset::RedisSubscribe(_)), _) if asks_for_login => {
                failure(error).hint(PASSWORD)
            }
            (
                Source::Preset(
                    Preset::WebSocket(path)
                    | Preset::WebSocketText(path)
                    | Preset::WebSocketSubscribe(path)
                    | Preset::WebSocketReceive(path),
                ),
                _,
            ) => {
                let handshake = anyhow!("WebSocket handshake failed: {reason}");
                Failure::new(Exit::Unreachable, handshake)
                    .hint(format_args!("check that the server speaks WebSocket at {path}"))
            }
            (Source::Preset(Preset::RedisGet(key)), _) => failure(error).hint(format_args!(
                "check that the server speaks the Redis protocol, and that the value of {key} is a string that is not empty"
            )),
            (Source::Preset(Preset::RedisSubscribe(_)), _) => {
                failure(error).hint("check that the server speaks the Redis protocol")
            }
            (_, Some(suggestion)) => failure(error).hint(suggestion.line()),
            (_, None) => failure(error),
        }
    }
}

/// For a Redis server with a password.
const PASSWORD: &str = "the server asks for a password: add [[setup]] with send = [{ text = \"AUTH PASSWORD\\r\\n\" }] to the script that \
    --show-script prints, and the same as the first of [[prepare]] or of the publisher's setup, and give it with --script";
