//! The options that say what is sent: a shape, a script, or a request.

use std::path::{Path, PathBuf};

use clap::Args;
use echoctl_audit::{Part, Payload, Preset, Script, SendMode, unescape};

use crate::exit::{Exit, Failure};

/// What is sent, by one of three ways.
#[derive(Debug, Args)]
pub(super) struct StimulusArgs {
    /// Send what this protocol makes of it: echo, raw, u16, http-get PATH, http-pipeline PATH, sse PATH, websocket PATH,
    /// websocket-subscribe PATH, redis-get KEY, redis-subscribe CHANNEL
    ///
    /// PATH is / if it is left out. redis-get writes: where KEY does not exist it is set to 64 KiB of 'x' and stays so;
    /// where it exists it is kept, and should be large (64 KiB) for the test to be short. redis-subscribe publishes 16 KiB
    /// messages to CHANNEL, which its other subscribers get too. --show-script shows every byte.
    #[arg(long, num_args = 1..=2, value_names = ["NAME", "ARG"], default_values = ["echo"],
          conflicts_with_all = ["script", "request"])]
    shape: Vec<String>,

    /// Send what a script says, TOML or JSON; start from one that --show-script prints
    #[arg(long, value_name = "FILE", conflicts_with = "request")]
    script: Option<PathBuf>,

    /// Send this text, with \r \n \t \0 \\ and \x0a as in most languages, or the content of @FILE
    #[arg(long, value_name = "TEXT|@FILE")]
    request: Option<String>,

    /// With --request: send it once, and nothing more
    #[arg(long, requires = "request", conflicts_with = "repeat")]
    once: bool,

    /// With --request: send it again and again (default)
    #[arg(long, requires = "request")]
    repeat: bool,

    /// Print the script that would be carried out, as TOML, and do nothing
    #[arg(long)]
    pub(super) show_script: bool,
}

impl StimulusArgs {
    /// Gives back the address that was taken for a shape's argument: `--shape echo 127.0.0.1:7007`.
    pub(super) fn give_back_addr(&mut self) -> Option<String> {
        let is_addr = |word: &String| {
            word.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && !host.starts_with('/') && port.parse::<u16>().is_ok()
            })
        };
        self.shape.pop_if(|word| is_addr(word))
    }

    /// The script, and what reports call it.
    ///
    /// # Errors
    /// Exit 2, when it makes no sense.
    pub(super) fn script(&self, host: &str) -> Result<(String, Script), Failure> {
        if let Some(path) = &self.script {
            let script = Script::read(path).map_err(|error| Failure::new(Exit::Usage, error))?;
            let kind = script.stimulus.kind.clone();
            return Ok((kind.unwrap_or_else(|| path.display().to_string()), script));
        }
        if let Some(request) = &self.request {
            let payload = match request.strip_prefix('@') {
                Some(path) => {
                    Payload::read(Path::new(path)).map_err(|error| Failure::new(Exit::Usage, error))?
                }
                None => {
                    let bytes = unescape(request).map_err(Failure::usage)?;
                    let part = String::from_utf8(bytes)
                        .map_or_else(|error| Part::Hex(error.into_bytes()), Part::Text);
                    Payload::new(vec![part])
                }
            };
            if payload.is_empty() {
                return Err(Failure::usage("the request is empty"));
            }
            let (kind, send) = if self.once {
                ("request once", SendMode::Once(payload))
            } else {
                ("request", SendMode::Repeat(payload))
            };
            let stimulus = echoctl_audit::Stimulus { kind: Some(kind.to_owned()), send };
            return Ok((kind.to_owned(), Script::new(stimulus)));
        }
        // Quoted as one word it is the same: --shape 'http-get /'.
        let mut words = self.shape.iter().flat_map(|word| word.split_ascii_whitespace());
        let name = words.next().unwrap_or_default();
        let shape = Preset::parse(name, words.next()).map_err(Failure::usage)?;
        let script = shape.script(host);
        Ok((shape.to_string(), script))
    }
}
