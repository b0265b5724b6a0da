//! `echoctl flood`: sends to a server, reads the replies slowly or never, and shows where the bytes pile up.
//!
//! - [`args`]: the options.
//! - [`session`]: the run, sampled 20 times per second.
//! - [`progress`]: the live view, lines or JSON while it runs.
//! - [`target`]: the server's processes; [`other_clients`]: what other clients send to it.
//! - [`summary`]: the result, and the exit code.

mod args;
mod other_clients;
mod progress;
mod session;
mod summary;
mod target;

use std::sync::mpsc;
use std::time::Duration;

use echoctl_client::Flood;

pub(crate) use args::Args;
use session::Session;
use target::Target;

use crate::consent::attempted;
use crate::exit::{Exit, Outcome};
use crate::output::note;
use crate::output::recorder::Recorder;
use crate::terminal::interrupt;

pub(crate) fn run(args: Args) -> Outcome {
    let target = args.consent.find(&args.server.addr)?;
    let given = args.pid.map(Target::of_pid).transpose()?;
    // One thread to write and one to read. More would take processor time from a server on this host.
    let runtime = echoctl_server::runtime(Some(2))?;
    args.check_descriptors()?;
    let recorder = Recorder::new(&args.recording, args.server.addr.clone(), echoctl_observe::machine())?;
    let opened = target.open(|addr, within| {
        let config = args.config(addr, within)?;
        let flood = attempted(runtime.block_on(Flood::connect(config.clone())))?;
        Ok(flood.map(|flood| (config, flood)))
    })?;
    let (config, flood) = opened.connection;
    let server = given.unwrap_or_else(|| Target::of_listener(opened.listener.as_ref()));
    let memory = args.memory(&server.pids);
    if memory.is_scarce() {
        note(format_args!("memory limit {memory}"));
    }
    // Up to here there was nothing to clean up.
    interrupt::catch_signals(Duration::ZERO);
    let mut session = Session::new(&args, &config, server, memory, recorder, &flood);

    let stop = flood.stop_handle();
    let (done, outcome) = mpsc::sync_channel(1);
    let handle = stop.clone();
    runtime.spawn(async move {
        interrupt::interrupted().await;
        handle.abort();
    });
    runtime.spawn(async move { done.send(flood.run().await) });
    let outcome = match session.watch(&outcome, &stop) {
        Ok(outcome) => outcome,
        Err(failure) => {
            // For example because stdout is closed. The files are written all the same.
            session.recorder.finish(|_| ())?;
            return Err(failure);
        }
    };
    // A signal while the result is printed does not change the exit code.
    let is_interrupted = interrupt::since().is_some();

    let exit = session.finish(&outcome)?;
    Ok(if is_interrupted { Exit::Interrupted } else { exit })
}
