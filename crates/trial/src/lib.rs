//! One measured run: a client that floods a server, and the kernel's figures of both.
//!
//! - [`spawn`]: starts a server of any command, and stops it with all its processes.
//! - [`ChildServer`]: a server in a process of its own.
//! - [`watched`]: makes a client's connection available to the sampler.
//! - [`summary()`]: converts the result of a flood for a recording.
//!
//! A run is returned as data. This crate prints nothing and judges nothing: see `echoctl_verdict` for the rules.

mod error;
pub mod spawn;
mod summary;
mod watched;

pub use error::Error;
pub use spawn::child_server::ChildServer;
pub use summary::summary;
pub use watched::watched;
