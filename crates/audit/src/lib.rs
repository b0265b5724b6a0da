//! Audits a TCP server: can a client that does not read exhaust it?
//!
//! - [`Script`]: what is sent to the server, as data. A [`Preset`] is a ready script for a common protocol.
//! - [`Target`]: a server that the audit starts and stops, with all its processes, through a helper process that calls
//!   [`supervise()`].
//! - [`AuditConfig`]: the attack. Its [`AuditOutcome`] contains the verdict and the evidence.
//!
//! This crate collects evidence. The rule that turns it into a verdict is [`echoctl_verdict::audit::judge`].

mod attack;
mod descendants;
mod error;
mod listeners;
mod preset;
mod script;
mod supervise;
mod sys;
mod target;

pub use attack::{
    AuditConfig, AuditOutcome, BystanderStats, DEFAULT_BUDGET, DEFAULT_MAX_DURATION, DEFAULT_RATE, Permitted,
};
pub use descendants::Descendants;
pub use error::Error;
pub use listeners::ForeignListener;
pub use preset::{Argument, Preset, PresetInfo};
pub use script::{Part, Payload, Publisher, Script, SendMode, Step, Stimulus, unescape};
pub use supervise::supervise;
pub use target::{Launch, Target};
