//! Promises of the program, tested from outside: one file for each, and a folder for each thing that several of them need.
//!
//! They are one test program, so that it is linked once and tests that wait do so beside others:
//! `cargo test -p echoctl --test program flood::` runs those of one file.
#![cfg(test)]

mod browser;
mod chain;
#[cfg(target_os = "linux")]
mod classroom;
mod named;
mod peer;
mod pty;
mod running;
mod scene;
mod schema;
mod scraped;
mod snapshot;

mod action;
mod addresses;
mod audit;
mod audit_findings;
mod audit_of_a_pusher;
mod audit_refused;
mod audit_targets;
mod class;
mod class_board;
mod class_controls;
mod class_page;
mod class_viewers;
mod completions;
mod contrib;
#[cfg(target_os = "linux")]
mod departed_reader;
mod dns;
mod files;
mod flood;
#[cfg(target_os = "linux")]
mod flood_verdicts;
mod help;
mod hosts;
mod keys;
mod lesson;
mod machines;
mod measured;
mod memory_left;
mod metrics;
mod namespaces;
mod ping;
mod printable;
mod prometheus;
mod report;
mod sarif;
mod schemas;
mod send;
mod serve;
mod serve_memory;
mod signals;
mod snapshots;
mod stopped_reader;
mod threads;
mod values;
mod watch;
mod watch_causes;
mod watch_map;
mod watch_outbound;
mod watch_targets;
