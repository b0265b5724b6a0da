//! One measured run: a client that floods a server, and the kernel's figures of both.
//!
//! - [`Trial`]: drives a run and samples it; each [`Moment`] is for a live view, the [`TrialOutcome`] for the result.
//! - [`History`], [`Peaks`]: all samples of a run, and their maxima.
//! - [`decimate`]: thins samples that are needed for the record only.
//! - [`Client`]: what a run needs from its client; [`FloodClient`] is the one that floods.
//! - [`spawn`]: starts a server of any command, and stops it with all its processes.
//! - [`ChildServer`]: our own server in a process of its own.
//!
//! A run is returned as data. This crate prints nothing and judges nothing: see `echoctl_verdict` for the rules.

mod client;
mod decimate;
mod error;
mod history;
mod other_clients;
mod outcome;
pub mod spawn;
mod trial;

pub use client::{Client, ClientState, FloodClient, watched};
pub use decimate::decimate;
pub use error::Error;
pub use history::{History, Peaks};
pub use outcome::TrialOutcome;
pub use spawn::child_server::ChildServer;
pub use trial::{Moment, Trial};
