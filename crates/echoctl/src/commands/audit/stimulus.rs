//! The options that choose what is sent: a preset, a script, or a request.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::builder::{TypedValueParser, UnknownArgumentValueParser};
use clap::{ArgAction, Args};
use echoctl_audit::{
    Error, Part, Payload, Preset, Protocol, Script, SendMode, Stimulus, Transport, unescape,
};

use super::answer::Answer;
use super::failure::failure;
use super::suggestion::Suggestion;
use crate::exit::{Exit, Failure};
use crate::values::Named;

/// What is sent, chosen in one of three ways.
#[derive(Debug, Args)]
pub(super) struct StimulusArgs {
    /// Script for a common protocol
    #[arg(long, value_name = "NAME[:ARG]", default_value = "echo", value_parser = preset(),
          hide_possible_values = true, long_help = preset_help(),
          conflicts_with_all = ["script", "request"])]
    preset: Preset,

    /// The old name of `--preset`, refused with a hint.
    #[arg(long, hide = true, action = ArgAction::SetTrue,
          value_parser = UnknownArgumentValueParser::suggest_arg("--preset"))]
    shape: Option<String>,

    /// Script file, TOML or JSON
    ///
    /// It is sent exactly as written. Start from a script that --show-script prints.
    #[arg(long, value_name = "FILE", conflicts_with = "request")]
    script: Option<PathBuf>,

    /// Text to send, or a file
    ///
    /// TEXT may contain \r, \n, \t, \0, \\ and \x0a (any byte in hexadecimal). @FILE sends the content of a file. It is sent
    /// repeatedly unless --once is given.
    #[arg(long, value_name = "TEXT|@FILE")]
    request: Option<String>,

    /// Send the request once
    #[arg(long, requires = "request", conflicts_with = "repeat", hide_short_help = true)]
    once: bool,

    /// Send the request repeatedly (the default)
    #[arg(long, requires = "request", hide_short_help = true)]
    repeat: bool,
}

/// Parses the name of a preset and its argument.
fn preset() -> impl TypedValueParser<Value = Preset> {
    let names = || Preset::ALL.iter().map(|preset| preset.name.to_owned()).collect();
    Named { names, parse: |text: &str| text.parse::<Preset>() }
}

/// What is sent, with its names.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Its name in reports: `echo`.
    pub(super) name: String,
    /// Its name in a headline: `preset echo`.
    pub(super) label: String,
    source: Source,
}

/// Where the script comes from.
#[derive(Debug)]
enum Source {
    Preset(Preset),
    /// A file or a request, which is sent as it is.
    Given(Box<Script>),
}

impl StimulusArgs {
    /// The file of the script, if one was given.
    pub(super) fn script(&self) -> Option<&Path> {
        self.script.as_deref()
    }

    /// What is sent. Its file may be a pipe, so it is to be read only once.
    ///
    /// # Errors
    /// Exit 2 when the file or the request is invalid.
    pub(super) fn chosen(&self) -> Result<Chosen, Failure> {
        if let Some(path) = &self.script {
            let script = Script::read(path).map_err(|error| Failure::new(Exit::Usage, error))?;
            let kind = script.stimulus.kind.clone();
            let name = kind.unwrap_or_else(|| path.display().to_string());
            return Ok(Chosen {
                label: format!("script {name}"),
                name,
                source: Source::Given(Box::new(script)),
            });
        }
        if let Some(request) = &self.request {
            let payload = payload(request)?;
            let (name, send) = if self.once {
                ("request once", SendMode::Once(payload))
            } else {
                ("request", SendMode::Repeat(payload))
            };
            let script = Script::new(Stimulus { kind: Some(name.to_owned()), send });
            let source = Source::Given(Box::new(script));
            return Ok(Chosen { name: name.to_owned(), label: name.to_owned(), source });
        }
        let name = self.preset.to_string();
        Ok(Chosen { label: format!("preset {name}"), name, source: Source::Preset(self.preset.clone()) })
    }
}

impl Chosen {
    /// The script for a server that requests call `host`.
    pub(super) fn script(&self, host: &str) -> Script {
        match &self.source {
            Source::Preset(preset) => preset.script(host),
            Source::Given(script) => Script::clone(script),
        }
    }

    /// Refuses a script that the attack cannot carry out yet, rather than to ignore a part of it.
    pub(super) fn check_supported(&self) -> Result<(), Failure> {
        let Source::Given(script) = &self.source else { return Ok(()) };
        let field = if script.http2.is_some() || script.grpc.is_some() {
            "HTTP/2 is"
        } else if script.transport == Some(Transport::Unix) {
            "Unix sockets are"
        } else {
            return Ok(());
        };
        Err(Failure::usage(format_args!("{field} not supported yet")))
    }

    /// Whether it may be what a server of this protocol expects. A script or a request is taken to be, as far as that can be seen.
    pub(super) fn fits(&self, protocol: Protocol) -> bool {
        match (&self.source, protocol) {
            (_, Protocol::Tls | Protocol::Http2 | Protocol::WebSocketClose) => false,
            (Source::Preset(preset), Protocol::Http) => speaks_http(preset),
            (Source::Preset(preset), Protocol::Redis) => {
                matches!(preset, Preset::RedisGet(_) | Preset::RedisSubscribe(_))
            }
            (Source::Preset(_), _) => false,
            (Source::Given(script), Protocol::Http) => script.to_toml().contains("HTTP/1."),
            (Source::Given(_), _) => true,
        }
    }

    /// The failure of an attack. If a step of the script got an answer of another protocol, it says what to send instead.
    pub(super) fn failure(&self, error: Error) -> Failure {
        let Error::Step { failure: reason, .. } = &error else { return failure(error) };
        let suggestion = Answer::unexpected(reason).and_then(|answer| Suggestion::after(&answer, self));
        match (&self.source, suggestion) {
            (_, Some(suggestion)) if suggestion.is_other_protocol => failure(error).hint(suggestion.line()),
            (Source::Preset(Preset::WebSocket(path) | Preset::WebSocketSubscribe(path)), _) => {
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

fn speaks_http(preset: &Preset) -> bool {
    match preset {
        Preset::HttpGet(_)
        | Preset::HttpPipeline(_)
        | Preset::Sse(_)
        | Preset::WebSocket(_)
        | Preset::WebSocketSubscribe(_) => true,
        Preset::Echo | Preset::Raw | Preset::U16 | Preset::RedisGet(_) | Preset::RedisSubscribe(_) => false,
    }
}

/// The bytes of `--request`.
fn payload(request: &str) -> Result<Payload, Failure> {
    let payload = match request.strip_prefix('@') {
        Some(path) => Payload::read(Path::new(path)).map_err(|error| Failure::new(Exit::Usage, error))?,
        None => {
            let bytes =
                unescape(request).map_err(|error| Failure::usage(format_args!("--request: {error}")))?;
            let part =
                String::from_utf8(bytes).map_or_else(|error| Part::Hex(error.into_bytes()), Part::Text);
            Payload::new(vec![part])
        }
    };
    if payload.is_empty() {
        return Err(Failure::usage("--request: the request is empty"));
    }
    Ok(payload)
}

/// The long help of `--preset`, with a line per preset.
fn preset_help() -> String {
    let list: String =
        Preset::ALL.iter().map(|info| format!("{:<24} {}\n", info.to_string(), info.about)).collect();
    format!(
        "Script for a common protocol\n\n{list}\n\
         PATH is / if it is omitted. redis-get writes: if KEY does not exist, it is set to 64 KiB of letters and stays; an \
         existing key is only read, and should be large (64 KiB) for a short audit. redis-subscribe publishes messages of \
         16 KiB to CHANNEL, which its other subscribers receive too. --show-script prints it all; a run marks long fills."
    )
}
