//! A script as it is written: its fields are checked together before they become a [`Script`].

use serde::Deserialize;

use super::stimulus::WrittenStimulus;
use super::{Grpc, Http2, Publisher, Script, SendMode, Step, Stimulus, Transport};
use crate::ScriptError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenScript {
    about: Option<String>,
    transport: Option<Transport>,
    #[serde(default)]
    alpn: Vec<String>,
    http2: Option<Http2>,
    grpc: Option<Grpc>,
    #[serde(default)]
    prepare: Vec<Step>,
    #[serde(default)]
    setup: Vec<Step>,
    #[serde(alias = "feeder")]
    publisher: Option<Publisher>,
    stimulus: StatedStimulus,
    bystander: Option<Step>,
    #[serde(default)]
    echo: bool,
}

/// A stimulus, and whether its bytes were stated: over HTTP/2 the request itself is one.
#[derive(Deserialize)]
#[serde(try_from = "WrittenStimulus")]
struct StatedStimulus {
    stimulus: Stimulus,
    is_stated: bool,
}

impl TryFrom<WrittenStimulus> for StatedStimulus {
    type Error = ScriptError;

    fn try_from(written: WrittenStimulus) -> Result<StatedStimulus, ScriptError> {
        let is_stated = written.is_stated();
        Ok(StatedStimulus { stimulus: written.try_into()?, is_stated })
    }
}

impl TryFrom<WrittenScript> for Script {
    type Error = ScriptError;

    fn try_from(written: WrittenScript) -> Result<Script, ScriptError> {
        let StatedStimulus { stimulus, is_stated } = written.stimulus;
        if !is_stated && written.http2.is_none() && written.grpc.is_none() {
            return Err(ScriptError::NotOneStimulus);
        }
        let script = Script {
            about: written.about,
            transport: written.transport,
            alpn: written.alpn,
            http2: written.http2,
            grpc: written.grpc,
            prepare: written.prepare,
            setup: written.setup,
            publisher: written.publisher,
            stimulus,
            bystander: written.bystander,
            echo: written.echo,
        };
        script.check()?;
        Ok(script)
    }
}

impl Script {
    /// Checks that its fields are valid and go together. Whatever is read was checked; a script that was made or changed may need it.
    ///
    /// # Errors
    /// [`ScriptError`], with the field.
    pub fn check(&self) -> Result<(), ScriptError> {
        self.check_transport()?;
        if let Some(http2) = &self.http2 {
            http2.check().map_err(|error| error.at("http2"))?;
            self.check_repeated(http2)?;
        }
        if let Some(grpc) = &self.grpc {
            grpc.check().map_err(|error| error.at("grpc"))?;
            self.check_grpc()?;
        }
        self.check_steps()
    }

    fn check_transport(&self) -> Result<(), ScriptError> {
        let is_name = |name: &String| (1..=MAX_ALPN_NAME).contains(&name.len());
        if !self.alpn.iter().all(is_name) {
            return Err(ScriptError::InvalidField { field: "alpn", expected: "names of 1 to 255 bytes" });
        }
        if !self.alpn.is_empty() && self.transport.is_some_and(|transport| transport != Transport::Tls) {
            return Err(ScriptError::Needs { field: "alpn", other: "transport = \"tls\"" });
        }
        let is_http2 = self.http2.is_some() || self.grpc.is_some();
        if is_http2 && !self.alpn.is_empty() && !self.alpn.iter().any(|name| name == Script::H2) {
            return Err(ScriptError::InvalidField { field: "alpn", expected: "\"h2\" for HTTP/2" });
        }
        Ok(())
    }

    /// What is repeated over HTTP/2.
    fn check_repeated(&self, http2: &Http2) -> Result<(), ScriptError> {
        let (field, with) = match &self.stimulus.send {
            SendMode::Repeat(_) if http2.flood.is_some() => ("repeat", "flood"),
            SendMode::Repeat(_) if http2.body.is_some() => ("body", "repeat"),
            SendMode::Once(payload) if !payload.is_empty() => ("once", "http2"),
            _ if self.echo && http2.streams > 1 => ("echo", "streams"),
            _ => return Ok(()),
        };
        Err(ScriptError::NoEffect { field, with })
    }

    /// A call over gRPC determines the request by itself.
    fn check_grpc(&self) -> Result<(), ScriptError> {
        let default = Http2::default();
        let http2 = self.http2.as_ref().unwrap_or(&default);
        let field = match &self.stimulus.send {
            SendMode::Repeat(_) => "repeat",
            SendMode::Once(payload) if !payload.is_empty() => "once",
            _ if http2.method != default.method => "method",
            _ if http2.path != default.path => "path",
            _ if http2.body.is_some() => "body",
            _ if http2.flood.is_some() => "flood",
            _ => return Ok(()),
        };
        Err(ScriptError::NoEffect { field, with: "grpc" })
    }

    /// Steps are bytes, and HTTP/2 is made of frames that the attack makes.
    fn check_steps(&self) -> Result<(), ScriptError> {
        let with = match (&self.http2, &self.grpc) {
            (_, Some(_)) => "grpc",
            (Some(_), None) => "http2",
            (None, None) => return Ok(()),
        };
        let steps = [
            ("prepare", !self.prepare.is_empty()),
            ("setup", !self.setup.is_empty()),
            ("publisher", self.publisher.is_some()),
            ("bystander", self.bystander.is_some()),
        ];
        match steps.into_iter().find(|(_, is_given)| *is_given) {
            Some((field, _)) => Err(ScriptError::NoEffect { field, with }),
            None => Ok(()),
        }
    }
}

/// The longest name of a protocol in ALPN (RFC 7301, section 3.1).
const MAX_ALPN_NAME: usize = 255;
