//! `echoctl flood`: sends to a server, reads the replies slowly or never, and shows where the bytes pile up.
//!
//! - [`args`]: the options; [`target`]: the server's processes.
//! - [`progress`]: the live view, lines or JSON while it runs.
//! - [`result`]: the result, printed and recorded; [`sentences`]: its sentences.

mod args;
mod progress;
mod result;
mod sentences;
mod target;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use echoctl_client::Flood;
use echoctl_observe::MemoryShare;
use echoctl_trial::Trial;

pub(crate) use args::Args;
use progress::ProgressView;
use result::FloodResult;
use target::Target;

use crate::consent::attempted;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::recorder::Recorder;
use crate::output::{self, ignore_broken_pipe, note};
use crate::terminal::interrupt;

pub(crate) fn run(args: Args) -> Outcome {
    output::set_plain(args.plain);
    let target = args.consent.find(&args.server.addr)?;
    let given = args.pid.map(Target::of_pid).transpose()?;
    // One thread to write and one to read. More would take processor time from a server on this host.
    let runtime = echoctl_server::runtime(Some(2))?;
    args.check_descriptors()?;
    args.machines.check()?;
    let mut recorder = Recorder::new(&args.recording, args.server.addr.clone(), args.machines.index())?;
    let opened = target.open(|addr, within| {
        let config = args.config(addr, within)?;
        attempted(runtime.block_on(Flood::connect(config)))
    })?;
    let server = given.unwrap_or_else(|| Target::of_listener(opened.listener.as_ref()));
    let memory = args.memory_limit.map_or_else(|| MemoryShare::with(&server.pids), MemoryShare::fixed);
    if memory.is_scarce() {
        note(format_args!("memory limit {memory}"));
    }
    if let Some(name) = &args.name {
        runtime.block_on(opened.connection.introduce(name)).map_err(not_echoed)?;
    }
    args.machines.wait()?;
    // Up to here there was nothing to clean up.
    interrupt::catch_signals(Duration::ZERO);
    let mut progress = ProgressView::new(&args, opened.connection.config(), &server.label, memory.limit);
    recorder.set_start(Instant::now());
    let mut trial = Trial::start(opened.connection, server.tree, runtime.handle())
        .with_memory_limit(memory.limit)
        .with_other_clients();
    if recorder.is_recording() {
        trial = trial.with_connection_log();
    }
    let stop = trial.client().stop_handle();
    interrupt::on_request(move || stop.abort())?;
    let mut shown = Ok(());
    let outcome = trial.run(|moment| {
        shown = progress.show(moment);
        if shown.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    // A signal while the result is printed does not change the exit code.
    let is_interrupted = interrupt::since().is_some();

    let result = FloodResult::new(&outcome, &args.server.addr, server.pids.first().copied(), memory);
    let printed = shown.and_then(|()| ignore_broken_pipe(result.print(args.json)));
    // The files are written even if stdout is closed.
    let written = recorder.finish(|run| {
        args.machines.complete(run);
        result.complete(run);
    });
    printed?;
    written?;
    Ok(match outcome.is_good() {
        _ if is_interrupted => Exit::Interrupted,
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// What to do where a server does not echo the name of a connection.
fn not_echoed(error: echoctl_client::Error) -> Failure {
    Failure::from(error).hint("only an echo server accepts a name: leave out --name, or see --framing")
}
