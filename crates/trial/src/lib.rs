//! One measured run: a client that floods a server, and the kernel's figures of both.
//!
//! - [`spawn`]: starts a server of any command, and stops it with all its processes.
//! - [`ChildServer`]: a server in a process of its own.
//! - [`watched`]: makes a client's connection available to the sampler.
//! - [`summary()`]: converts the result of a flood for a recording.
//!
//! A run is returned as data. This crate prints nothing and judges nothing: see `echoctl_verdict` for the rules.

mod child;
mod error;
pub mod spawn;
mod summary;
mod watched;

pub use child::ChildServer;
pub use error::Error;
pub use summary::summary;
pub use watched::watched;
