//! Promises of a flood, tested against servers with a known behaviour: one file per promise.

#![cfg(test)]

mod echo;
mod faults;
mod hostile;
mod stop;
mod support;
