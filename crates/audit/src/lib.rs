//! The audit: can a client that does not read exhaust this server? An attack on any TCP server, and what it showed.
//!
//! - [`Script`]: what is done to the server, as data; [`Shape`] makes one for the usual protocols.
//! - [`Target`]: a server that the audit starts and stops itself.
mod error;
mod script;
mod shape;

pub use error::Error;
pub use script::{Feeder, Part, Payload, Script, Sent, Step, Stimulus, unescape};
pub use shape::Shape;
