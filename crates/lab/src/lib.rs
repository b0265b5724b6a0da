//! The laboratory: experiments on the machine they run on, each of which checks its own claim.
//!
//! - [`demo`]: the same work against a server without backpressure and one with it.
//! - [`lessons`]: each idea of socket programming as an experiment; [`kit`] is what they are made with.
//! - [`dns`]: an authoritative answerer, for the lesson of that name and for `dig`.
//! - [`ChildServer`]: a server in a process of its own; [`watched`] lets a client's connections be sampled, and
//!   [`summary()`] makes the end of a flood that of a record.
//!
//! An experiment returns what it has to say as data; printing it is for the command line.

pub mod demo;
pub mod dns;
pub mod kit;
pub mod lessons;

mod child;
mod error;
mod summary;
mod watched;

pub use child::ChildServer;
pub use error::Error;
pub use summary::summary;
pub use watched::watched;
