//! `echoctl flood`: sends to a server, reads the replies slowly or never, and shows where the bytes are.
//!
//! - [`args`]: the options.
//! - [`session`]: the run, sampled 20 times a second.
//! - [`hold`]: for how long it was held back; [`judge`]: the verdict on the server.
//! - [`show`]: how it is shown while it goes.
//! - [`server`]: the processes that are watched.
//! - [`ending`]: what is said at the end, and the exit code.

mod args;
mod ending;
mod hold;
mod judge;
mod server;
mod session;
mod show;

use std::sync::mpsc;
use std::time::Duration;

use anyhow::anyhow;
use echoctl_client::{Error, Flood};

pub(crate) use args::Args;
use server::Server;
use session::Session;

use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt;
use crate::keep::Keeper;
use crate::output::note;

pub(crate) fn run(args: Args) -> Outcome {
    let target = args.consent.find(&args.addr)?;
    let given = args.pid.map(Server::of_pid).transpose()?;
    // One thread to write and one to read; more would only take processor time from the server on this host.
    let runtime = echoctl_server::runtime(Some(2))?;
    args.check_descriptors()?;
    let machine = echoctl_observe::machine();
    let keeper = Keeper::new(&args.files, args.addr.clone(), machine.clone())?;
    let opened = target.open(|addr, within| {
        let config = args.config(addr, within)?;
        match runtime.block_on(Flood::connect(config.clone())) {
            Ok(flood) => Ok(Ok((config, flood))),
            Err(Error::Connect { source, made: 0, .. }) => Ok(Err(source)),
            // Where one connection was made and the next was not, another address is no help.
            Err(Error::Connect { addr, source, .. }) => {
                Err(Failure::new(Exit::Unreachable, anyhow!("cannot connect to {addr}: {source}")))
            }
            Err(error) => Err(Failure::usage(error)),
        }
    })?;
    let (config, flood) = opened.connection;
    let server = given.unwrap_or_else(|| Server::of_listener(opened.listener.as_ref()));
    let memory = args.memory(&server.pids);
    if memory.is_scarce() {
        note(format_args!("memory limit {memory}"));
    }
    // Until here there was nothing to put in order.
    interrupt::catch_signals(Duration::ZERO);
    let mut session = Session::new(&args, &config, server, memory, &machine, keeper, &flood);

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
            // As where the reader has gone: what was recorded until then is kept.
            session.keeper.finish(|_| ())?;
            return Err(failure);
        }
    };
    // What comes while the end is told does not change how the run ended.
    let is_interrupted = interrupt::since().is_some();

    let exit = session.end(&outcome)?;
    Ok(if is_interrupted { Exit::Interrupted } else { exit })
}
