//! The options that choose what is sent: a preset, a script, a request or a call, or the URL.

use std::path::{Path, PathBuf};

use clap::builder::{TypedValueParser, UnknownArgumentValueParser};
use clap::{ArgAction, Args};
use echoctl_audit::{Grpc, Preset, Script, ScriptError, SendMode, Stimulus};

use super::chosen::{Chosen, Source};
use super::destination::Destination;
use super::http_args::{HttpArgs, payload};
use super::start::Start;
use super::url::Scheme;
use crate::exit::{Exit, Failure};
use crate::values::Named;

/// What is sent.
#[derive(Debug, Args)]
pub(super) struct StimulusArgs {
    /// Script for a protocol [default: echo, or by URL]
    #[arg(long, value_name = "NAME[:ARG]", value_parser = preset(), hide_possible_values = true,
          long_help = preset_help(), conflicts_with_all = ["script", "request"])]
    preset: Option<Preset>,

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
    #[arg(long, conflicts_with = "repeat", hide_short_help = true)]
    once: bool,

    /// Send the request (the default) or the message repeatedly
    #[arg(long, hide_short_help = true)]
    repeat: bool,

    #[command(flatten, next_help_heading = "HTTP, gRPC and WebSocket")]
    http: HttpArgs,
}

/// Parses the name of a preset and its argument.
fn preset() -> impl TypedValueParser<Value = Preset> {
    let names = || Preset::ALL.iter().map(|preset| preset.name.to_owned()).collect();
    Named { names, parse: |text: &str| text.parse::<Preset>() }
}

impl StimulusArgs {
    /// What is sent to a server there. Its file may be a pipe, so it is to be read only once.
    ///
    /// # Errors
    /// Exit 2 when the file or the request is invalid, or when an option or the path of the URL would have no effect.
    pub(super) fn chosen(&self, to: &Destination, start: Start) -> Result<Chosen, Failure> {
        let source = self.source(to)?;
        self.check_effects(&source)?;
        let chosen = Chosen {
            source,
            is_preset_given: self.preset.is_some(),
            to: to.clone(),
            start,
            headers: self.http.headers.clone(),
            body: self.http.body()?,
            message: self.http.message()?,
            streams: self.http.streams,
            stall: self.http.stall,
        };
        chosen.check()?;
        Ok(chosen)
    }

    /// The script file, if there is one.
    pub(super) fn script(&self) -> Option<&Path> {
        self.script.as_deref()
    }

    fn source(&self, to: &Destination) -> Result<Source, Failure> {
        if let Some(path) = &self.script {
            refuse_path(to, "--script")?;
            let script = Script::read(path).map_err(invalid_script)?;
            return Ok(Source::File(path.clone(), Box::new(script)));
        }
        if let Some(request) = &self.request {
            refuse_path(to, "--request")?;
            let payload = payload("--request", request)?;
            if payload.is_empty() {
                return Err(Failure::usage("--request: the request is empty"));
            }
            let (name, send) = match self.once {
                true => ("request once", SendMode::Once(payload)),
                false => ("request", SendMode::Repeat(payload)),
            };
            return Ok(Source::Request(Box::new(Script::new(Stimulus {
                kind: Some(name.to_owned()),
                send,
            }))));
        }
        if let Some(method) = self.method(to)? {
            return Ok(Source::Call(Grpc {
                path: method,
                message: self.http.message()?.unwrap_or_default(),
                repeat: self.repeat,
            }));
        }
        match &self.preset {
            Some(preset) => at_path(preset, to).map(Source::Preset),
            None => self.preset_for(to).map(Source::Preset),
        }
    }

    /// The method to call over gRPC, if it is a call.
    fn method(&self, to: &Destination) -> Result<Option<String>, Failure> {
        let is_grpc = matches!(to.scheme(), Some(Scheme::Grpc | Scheme::Grpcs));
        let in_url = Some(to.path()).filter(|path| path.len() > 1);
        match (&self.http.grpc, in_url) {
            (Some(method), None) => match to.scheme() {
                Some(scheme @ (Scheme::Ws | Scheme::Wss | Scheme::Redis)) => {
                    Err(Failure::usage(format_args!("--grpc has no effect with {scheme}://")))
                }
                _ => Ok(Some(method.clone())),
            },
            (Some(_), Some(_)) => refuse_path(to, "--grpc").map(|()| None),
            (None, Some(method)) if is_grpc && self.preset.is_none() => Ok(Some(method.to_owned())),
            (None, None) if is_grpc && self.preset.is_none() => {
                let failure = Failure::usage("a gRPC server needs a method to call");
                Err(failure
                    .hint("give it with --grpc /package.Service/Method, and its message with --message"))
            }
            (None, _) => Ok(None),
        }
    }

    /// The preset that a URL stands for.
    fn preset_for(&self, to: &Destination) -> Result<Preset, Failure> {
        let path = Some(to.path()).filter(|path| !path.is_empty()).unwrap_or("/").to_owned();
        Ok(match to.scheme() {
            Some(Scheme::Https) if self.http.http2 => Preset::Http2Get(path),
            Some(Scheme::Http | Scheme::Https) => Preset::HttpGet(path),
            Some(Scheme::H2c) => Preset::Http2Get(path),
            Some(Scheme::Ws | Scheme::Wss) => match (&self.http.message, self.repeat) {
                (Some(_), true) => Preset::WebSocketText(path),
                (Some(_), false) => Preset::WebSocketReceive(path),
                (None, _) => Preset::WebSocket(path),
            },
            Some(Scheme::Redis) if path.len() > 1 => Preset::RedisGet(path[1..].to_owned()),
            Some(Scheme::Redis) => {
                return Err(Failure::usage("redis:// needs a key").hint(
                    "write redis://host/KEY, or give another stimulus with --preset redis-subscribe:CHANNEL",
                ));
            }
            Some(Scheme::Grpc | Scheme::Grpcs | Scheme::Tls) | None => {
                refuse_path(to, "the preset echo")?;
                Preset::Echo
            }
        })
    }

    /// Refuses options without effect.
    fn check_effects(&self, source: &Source) -> Result<(), Failure> {
        let is_call = matches!(source, Source::Call(_));
        let is_request = matches!(source, Source::Request(_));
        let is_websocket = matches!(source, Source::Preset(preset) if preset.is_websocket());
        // The others of WebSocket repeat their message without being asked to.
        let may_repeat = matches!(source, Source::Preset(Preset::WebSocketText(_))) && self.preset.is_none();
        let without = |option: &str, needed: &str| {
            Err(Failure::usage(format_args!("{option} has no effect without {needed}")))
        };
        if self.once && !is_request {
            return without("--once", "--request");
        }
        if self.repeat && !is_request && !is_call && !may_repeat {
            return without("--repeat", "--request, --grpc, or a ws:// URL and --message");
        }
        if self.http.message.is_some() && !is_call && !is_websocket {
            return without("--message", "--grpc or a WebSocket");
        }
        if self.http.http2 && !matches!(source, Source::Preset(preset) if preset.is_http2()) {
            return without("--http2", "an https:// URL");
        }
        let (has_headers, has_body) = match source {
            Source::Preset(preset) => (preset.has_headers(), preset.has_body()),
            source => (matches!(source, Source::Call(_)), false),
        };
        if !self.http.headers.is_empty() && !has_headers {
            return without("--header", "a request over HTTP");
        }
        if self.http.body.is_some() && !has_body {
            return without("--body", "a request over HTTP");
        }
        Ok(())
    }
}

/// A script that cannot be read. A text in place of a list is the most frequent mistake.
fn invalid_script(error: ScriptError) -> Failure {
    let is_text = error.to_string().contains("invalid type: string");
    let failure = Failure::new(Exit::Usage, error);
    match is_text {
        true => failure.hint("what is sent or expected is a list of parts: [{ text = \"PING\\r\\n\" }]"),
        false => failure,
    }
}

/// The preset at the path of the URL, if it has none of its own.
fn at_path(preset: &Preset, to: &Destination) -> Result<Preset, Failure> {
    let text = preset.to_string();
    match text.split_once(':') {
        Some((name, "/")) if to.path().len() > 1 => {
            let preset = format!("{name}:{}", to.path()).parse();
            preset.map_err(|error| Failure::new(Exit::Usage, error))
        }
        Some((_, path)) if path == to.path() => Ok(preset.clone()),
        _ => refuse_path(to, &format!("--preset {text}")).map(|()| preset.clone()),
    }
}

/// Refuses the path of a URL that would not be requested.
fn refuse_path(to: &Destination, with: &str) -> Result<(), Failure> {
    match to.path() {
        "" | "/" => Ok(()),
        path => Err(Failure::usage(format_args!("the path {path} of the URL has no effect with {with}"))),
    }
}

/// The long help of `--preset`, with a line per preset.
fn preset_help() -> String {
    let list: String =
        Preset::ALL.iter().map(|info| format!("{:<24} {}\n", info.to_string(), info.about)).collect();
    format!(
        "Script for a common protocol [default: echo, or the one of the URL]\n\n{list}\n\
         PATH is that of the URL, or / if it is omitted. http2-post sends a body of 64 KiB, or that of --body, again and again. \
         redis-get writes: if KEY does not exist, it is set to 64 KiB of letters and stays; an existing key is only read, and \
         should be large (64 KiB) for a short audit. websocket-receive sends nothing, or the --message once. redis-subscribe publishes messages of 16 KiB to CHANNEL, which its other \
         subscribers receive too. --show-script prints it all; a run marks long fills."
    )
}

#[cfg(test)]
mod tests;
