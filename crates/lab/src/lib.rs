//! Experiments on the local machine, each of which checks its own claim.
//!
//! - [`demo`]: the same work against a server without backpressure and one with it.
//! - [`lessons`]: socket programming in short experiments; [`kit`] has their building blocks.
//! - [`dns`]: an authoritative DNS server, for the lesson of that name and for `dig`.
//!
//! An experiment returns its result as data; only the command line prints.

pub mod demo;
pub mod dns;
pub mod kit;
pub mod lessons;

mod error;

pub use error::Error;
