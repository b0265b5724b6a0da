//! The gRPC part of a script, and what it means in HTTP/2.

use serde::{Deserialize, Serialize};

use super::http2::is_path;
use super::{Http2, Part, Payload, SendMode, Stimulus};
use crate::ScriptError;

/// A call over gRPC, on each stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grpc {
    /// The method: `/package.Service/Method`.
    pub path: String,
    /// A message, without its prefix of five bytes.
    pub message: Payload,
    /// Whether the message is sent repeatedly, to a method with a stream of requests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeat: bool,
}

impl Grpc {
    /// Checks the name of the method.
    ///
    /// # Errors
    /// [`ScriptError::InvalidField`].
    pub fn check(&self) -> Result<(), ScriptError> {
        let parts: Vec<&str> = self.path.split('/').collect();
        let is_method =
            matches!(parts[..], ["", service, method] if !service.is_empty() && !method.is_empty());
        if is_method && is_path(&self.path) {
            Ok(())
        } else {
            Err(ScriptError::InvalidField { field: "path", expected: "/package.Service/Method" })
        }
    }

    /// The same call as requests over HTTP/2, and what is sent on them.
    pub(super) fn lowered(&self, http2: Http2, stimulus: Stimulus) -> (Http2, Stimulus) {
        let own = HEADERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        // Not compressed, then the length.
        let length = u32::try_from(self.message.len()).expect("invariant: a payload is at most 64 MiB");
        let prefix = [&[0][..], &length.to_be_bytes()].concat();
        let message = self.message.after(Part::Hex(prefix));
        let (body, send) = match self.repeat {
            true => (None, SendMode::Repeat(message)),
            false => (Some(message), stimulus.send),
        };
        let http2 = Http2 {
            method: "POST".to_owned(),
            path: self.path.clone(),
            headers: own.into_iter().chain(http2.headers).collect(),
            body,
            ..http2
        };
        (http2, Stimulus { kind: stimulus.kind, send })
    }
}

/// What makes a request one of gRPC.
const HEADERS: [(&str, &str); 2] = [("content-type", "application/grpc"), ("te", "trailers")];
