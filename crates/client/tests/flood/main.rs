//! The promises of a flood, against servers whose behaviour is known: one file a promise.

#![allow(clippy::unwrap_used)] // the helpers of tests are tests, which clippy cannot see

mod echo;
mod faults;
mod hostile;
mod stop;
mod support;
