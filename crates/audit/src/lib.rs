//! Audits a server: can a client that does not read exhaust it?
//!
//! - [`Script`]: what is sent to the server, as data. A [`Preset`] is a ready script for a common protocol.
//! - [`AuditConfig`]: the attack. Its [`AuditOutcome`] contains the verdict and the evidence.
//!
//! This crate collects evidence. The rule that turns it into a verdict is [`echoctl_verdict::audit::judge`].

mod attack;
mod cell;
mod error;
mod marks;
mod preset;
mod protocol;
mod script;
mod sys;
mod tls;

pub use attack::{
    AuditConfig, AuditOutcome, ClientFailure, DEFAULT_BUDGET, DEFAULT_MAX_DURATION, DEFAULT_RATE,
    FreezeAfter, FrozenClient, Permitted, StallOutcome,
};
pub use error::{Error, Http2Error, PresetError, ScriptError, StepFailure, TlsError};
pub use preset::{Argument, HttpOptions, Preset, PresetInfo};
pub use protocol::{GRPC_STATUS, Protocol, WEBSOCKET_CLOSE};
pub use script::{
    Flood, Grpc, Http2, Part, Payload, Publisher, Script, SendMode, Stall, Step, Stimulus, Transport,
    unescape,
};
pub use tls::{Fingerprint, TlsPeer, Trust};
