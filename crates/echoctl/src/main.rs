//! `echoctl`, the instrument for backpressure: the command line.
//!
//! Parses the arguments, calls a command, and exits. The libraries return data; only this crate prints.
//!
//! - [`cli`]: the command line as a whole; [`commands`]: each command.
//! - `metrics`: what `watch` and `serve` export to Prometheus.
//! - [`output`]: everything that is printed or written to a file; [`terminal`]: live views, questions and signals.
//! - [`machines`]: one load from several machines.
//! - [`address`], [`values`]: how arguments are read; [`consent`]: which servers may be attacked; [`exit`]: exit codes.

mod address;
mod cli;
mod commands;
mod consent;
mod exit;
mod hidden_listeners;
mod machines;
#[cfg(feature = "live")]
mod metrics;
mod output;
mod sys;
mod terminal;
mod values;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before there is a second thread: each thread would reserve 64 MiB of address space for a heap of its own.
    echoctl_server::share_one_heap();
    terminal::interrupt::prepare();
    exit::into_exit_code(cli::Cli::from_arguments().and_then(cli::Cli::run))
}
