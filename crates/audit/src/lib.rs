//! The audit: can a client that does not read exhaust this server? An attack on any TCP server, and what it showed.
//!
//! - [`Script`]: what is done to the server, as data; [`Preset`] makes one for the usual protocols.
//! - [`Target`]: a server that the audit starts, and stops with all that it started, by means of a process that calls
//!   [`supervise()`].
//! - [`AuditConfig`]: the attack; its [`AuditOutcome`] has the verdict and everything that it rests on.
//!
//! The rule that leads from evidence to verdict is [`echoctl_record::Evidence::judge`]: here is only what makes evidence.

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
