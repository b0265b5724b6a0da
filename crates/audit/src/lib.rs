//! The audit: can a client that does not read exhaust this server? An attack on any TCP server, and what it showed.
//!
//! - [`Script`]: what is done to the server, as data; [`Shape`] makes one for the usual protocols.
//! - [`Target`]: a server that the audit starts, and stops with all that it started, by means of a process that calls
//!   [`supervise()`].
//! - [`Plan`]: the attack; its [`Outcome`] has the verdict and everything that it rests on.
//!
//! The rule that leads from evidence to verdict is [`echoctl_record::Evidence::judge`]: here is only what makes evidence.

mod attack;
mod descendants;
mod error;
mod listeners;
mod script;
mod shape;
mod supervise;
mod sys;
mod target;

pub use attack::{DEFAULT_BUDGET, DEFAULT_PATIENCE, DEFAULT_RATE, Outcome, Permitted, Plan, Served};
pub use descendants::Descendants;
pub use error::Error;
pub use listeners::Stranger;
pub use script::{Feeder, Part, Payload, Script, Sent, Step, Stimulus, unescape};
pub use shape::{Argument, Shape};
pub use supervise::supervise;
pub use target::{Launch, Target};
