//! `echoctl`, the instrument for backpressure: the command line.
//!
//! Parses the arguments, calls a command, and exits. Each command is a module with its `Args` (whose doc comments are the
//! help) and its `run`. The libraries return data; only this crate prints.

mod address;
mod audit;
mod called;
mod cli;
mod compare;
mod completions;
mod consent;
mod demo;
mod dns;
mod doctor;
mod exit;
mod flood;
mod help;
mod interrupt;
mod lesson;
mod man;
mod output;
mod output_file;
mod ping;
mod prompt;
mod recording;
mod report;
mod send;
mod serve;
mod supervise;
mod sys;
mod usage_error;
mod values;
mod view;
mod watch;

use std::process::ExitCode;

pub(crate) use called::called;

fn main() -> ExitCode {
    // Before there is a second thread: each thread would reserve 64 MiB of address space for a heap of its own.
    echoctl_server::share_one_heap();
    interrupt::prepare();
    exit::into_exit_code(cli::Cli::from_arguments().and_then(cli::Cli::run))
}
