//! Promises of a flood, tested against servers with a known behaviour: one file per promise.

#![allow(clippy::unwrap_used)] // clippy does not recognise helpers of tests

mod echo;
mod faults;
mod hostile;
mod stop;
mod support;
