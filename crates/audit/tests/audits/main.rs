//! Promises of audits, one file for each, as one test program: many of its tests wait, and do so beside others.
#![cfg(test)]

#[path = "../support/mod.rs"]
mod support;

mod background;
mod drains;
mod every_attack_ends;
mod every_script;
mod frozen_clients;
mod namespaces;
mod only_the_target;
mod other_clients;
mod payload;
mod relays;
mod unix_sockets;
