//! A script: what is sent to a server, step by step, as data.
//!
//! ```text
//! prepare    steps on separate connections, before the attack                SET k xxxxx…    expect +OK
//! setup      steps on the slow reader's connection, the only time it reads   SUBSCRIBE c     expect subscribe
//! stimulus   sent by the slow reader, or by a publisher that reads           PUBLISH c yyy…  repeated, or once
//! ```
//!
//! The same server can be unbounded under one script and bounded under another (a line protocol without a newline never
//! answers), so a verdict holds only for its script. Scripts are written as TOML or JSON, or made by a
//! [`Preset`](crate::Preset). The [`attack`](crate::attack) carries them out.

mod escape;
mod grpc;
mod http2;
pub(crate) mod payload;
mod step;
mod stimulus;
mod written;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use escape::unescape;
pub use grpc::Grpc;
pub use http2::{Flood, Http2, Stall};
pub use payload::{Part, Payload};
pub use step::{Publisher, Step};
pub use stimulus::{SendMode, Stimulus};

use crate::ScriptError;
use crate::cell::Mark;

/// What is sent to a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "written::WrittenScript")]
pub struct Script {
    /// A description for reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What carries the bytes. `None`: what the address says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// The protocols that the client offers over TLS, the preferred one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// The requests over HTTP/2, if the stimulus is not sent as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http2: Option<Http2>,
    /// The call over gRPC, on HTTP/2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Grpc>,
    /// Steps on separate connections, before the attack.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Step>,
    /// Steps on the slow reader's connection, the only time it reads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Step>,
    /// The client that sends the stimulus instead of the slow reader, and reads its own replies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<Publisher>,
    /// What is sent while the slow reader does not read.
    pub stimulus: Stimulus,
    /// The request that a healthy client sends repeatedly, and the reply that it waits for. Without it, the request is one
    /// stimulus and the reply is any byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bystander: Option<Step>,
    /// Whether the server returns all input unchanged, so that lost and corrupt bytes can be detected.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub echo: bool,
}

/// What carries the bytes of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// A Unix socket.
    Unix,
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Unix => "unix",
        })
    }
}

impl Script {
    /// The name of HTTP/2 in ALPN.
    pub const H2: &str = "h2";

    /// A script with only a stimulus.
    pub fn new(stimulus: Stimulus) -> Script {
        Script {
            about: None,
            transport: None,
            alpn: Vec::new(),
            http2: None,
            grpc: None,
            prepare: Vec::new(),
            setup: Vec::new(),
            publisher: None,
            stimulus,
            bystander: None,
            echo: false,
        }
    }

    /// The same script, whose payloads are marked wherever that leaves them valid. It is printed as before.
    pub(crate) fn marked(&self, mark: Mark) -> Script {
        let steps = |steps: &[Step]| steps.iter().map(|step| step.marked(mark)).collect();
        let send = match &self.stimulus.send {
            SendMode::Repeat(payload) => SendMode::Repeat(payload.marked(mark)),
            SendMode::Once(payload) => SendMode::Once(payload.marked(mark)),
        };
        let publisher = self.publisher.as_ref();
        let http2 =
            self.http2.clone().map(|http2| Http2 { body: http2.body.map(|body| body.marked(mark)), ..http2 });
        Script {
            about: self.about.clone(),
            transport: self.transport,
            alpn: self.alpn.clone(),
            http2,
            grpc: self.grpc.clone().map(|grpc| Grpc { message: grpc.message.marked(mark), ..grpc }),
            prepare: steps(&self.prepare),
            setup: steps(&self.setup),
            publisher: publisher.map(|publisher| Publisher { setup: steps(&publisher.setup) }),
            stimulus: Stimulus { kind: self.stimulus.kind.clone(), send },
            bystander: self.bystander.as_ref().map(|step| step.marked(mark)),
            echo: self.echo,
        }
    }

    /// The same script without its shorter forms: a call over gRPC as requests over HTTP/2, which TLS negotiates.
    pub(crate) fn lowered(mut self) -> Script {
        if let Some(grpc) = self.grpc.take() {
            let (http2, stimulus) = grpc.lowered(self.http2.take().unwrap_or_default(), self.stimulus);
            (self.http2, self.stimulus) = (Some(http2), stimulus);
        }
        for (name, _) in self.http2.iter_mut().flat_map(|http2| &mut http2.headers) {
            // Capitals are an error in HTTP/2 (RFC 9113, section 8.2).
            name.make_ascii_lowercase();
        }
        if self.http2.is_some() && self.alpn.is_empty() && self.transport == Some(Transport::Tls) {
            self.alpn = vec![Script::H2.to_owned()];
        }
        self
    }

    /// Whether the slow reader gets back what it sends.
    pub(crate) fn is_echo(&self) -> bool {
        self.echo && self.publisher.is_none()
    }

    /// Reads a script from a file: JSON if the name ends in `.json` or the text begins with a brace, otherwise TOML.
    ///
    /// # Errors
    /// [`ScriptError::Script`], with the line and the field at fault.
    pub fn read(path: &Path) -> Result<Script, ScriptError> {
        Script::load_from(path)
            .map_err(|error| ScriptError::Script { path: path.to_owned(), reason: Box::new(error) })
    }

    fn load_from(path: &Path) -> Result<Script, ScriptError> {
        let content = payload::read(path, payload::LARGEST_SCRIPT)?;
        let text = String::from_utf8(content).map_err(|_| ScriptError::NotText)?;
        let is_json =
            path.extension().is_some_and(|suffix| suffix == "json") || text.trim_start().starts_with('{');
        let mut script = if is_json { Script::from_json(&text) } else { Script::from_toml(&text) }?;
        script.load(path.parent().unwrap_or(Path::new(".")))?;
        Ok(script)
    }

    /// Parses a script as JSON. Files that it names are not loaded yet.
    ///
    /// # Errors
    /// [`ScriptError::Json`], with line, column and field.
    pub fn from_json(text: &str) -> Result<Script, ScriptError> {
        serde_json::from_str(text).map_err(ScriptError::Json)
    }

    /// Parses a script as TOML. Files that it names are not loaded yet.
    ///
    /// # Errors
    /// [`ScriptError::Toml`], with the line and the field marked in it.
    pub fn from_toml(text: &str) -> Result<Script, ScriptError> {
        toml::from_str(text).map_err(|error| ScriptError::Toml(Box::new(error)))
    }

    /// The script as TOML, ready to be edited.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("invariant: a script holds nothing that TOML cannot express")
    }

    /// Loads the files and checks what the parser cannot.
    fn load(&mut self, folder: &Path) -> Result<(), ScriptError> {
        let mut left = payload::ALL_FILES;
        for (name, steps) in [("prepare", &mut self.prepare), ("setup", &mut self.setup)] {
            load_steps(name, steps, folder, &mut left)?;
        }
        if let Some(publisher) = &mut self.publisher {
            load_steps("publisher.setup", &mut publisher.setup, folder, &mut left)?;
        }
        if let Some(bystander) = &mut self.bystander {
            bystander.load(folder, &mut left).map_err(|error| error.at("bystander"))?;
        }
        if let Some(body) = self.http2.as_mut().and_then(|http2| http2.body.as_mut()) {
            body.load(folder, &mut left).map_err(|error| error.at("http2.body"))?;
        }
        if let Some(grpc) = &mut self.grpc {
            grpc.message.load(folder, &mut left).map_err(|error| error.at("grpc.message"))?;
        }
        let stimulus = match &mut self.stimulus.send {
            SendMode::Repeat(payload) | SendMode::Once(payload) => payload,
        };
        stimulus.load(folder, &mut left).map_err(|error| error.at("stimulus"))?;
        if stimulus.is_empty() && matches!(self.stimulus.send, SendMode::Repeat(_)) {
            return Err(ScriptError::EmptyRepeat);
        }
        Ok(())
    }
}

fn load_steps(name: &str, steps: &mut [Step], folder: &Path, left: &mut usize) -> Result<(), ScriptError> {
    for (index, step) in steps.iter_mut().enumerate() {
        step.load(folder, left).map_err(|error| error.at(format!("{name}[{index}]")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
