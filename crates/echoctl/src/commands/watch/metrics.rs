//! `watch --metrics`: serves metrics until a signal arrives, without a view.

use std::net::SocketAddr;
use std::time::Duration;

use echoctl_observe::sees_other_users;
use echoctl_record::Roles;
use echoctl_server::runtime;

use super::{Args, target};
use crate::exit::{Exit, Failure, Outcome};
use crate::hidden_listeners::hidden_listeners;
use crate::metrics::{self, Collector};
use crate::output::note;
use crate::terminal::interrupt::{self, interrupted};

/// Serves metrics at `addr` of the targets, or else of everything that listens on this host.
pub(super) fn run(args: &Args, addr: SocketAddr) -> Outcome {
    let (collector, what) = if args.targets.is_empty() && args.pid.is_none() {
        (Collector::of_host(), "all TCP listeners of this host".to_owned())
    } else {
        let target = target::find(&args.targets, args.pid, Roles::Served)?;
        (Collector::of_target(&target), target::title(&target))
    };
    let mut collector = collector.map_err(|error| Failure::new(Exit::Inconclusive, error))?;
    // Counters start now, and the first scrape knows for how long nothing has been read.
    let first = collector.sample()?;
    let hidden = first.listeners.iter().filter(|listener| listener.process.is_empty()).count();
    interrupt::catch_signals(Duration::ZERO);
    if args.until_stdin_ends {
        interrupt::exit_when_stdin_ends()?;
    }
    let runtime = runtime(Some(1))?;
    let outcome = runtime.block_on(async {
        let endpoint = metrics::listen(addr, &what).await?;
        if let Some(why) = hidden_listeners(hidden, sees_other_users()) {
            note(why);
        }
        tokio::select! {
            () = endpoint.serve(move || collector.sample()) => {}
            () = interrupted() => {}
            () = tokio::time::sleep(args.duration.unwrap_or(Duration::MAX)) => {}
        }
        Ok(Exit::Done)
    });
    // A sample in progress is not awaited.
    runtime.shutdown_background();
    outcome
}
