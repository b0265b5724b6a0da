//! An echo server with a policy of your choice, which prints its events. Ctrl-C shuts it down.
//!
//! ```sh
//! cargo run --package echoctl-server --example echo -- disconnect
//! ```
//!
//! Then send to it from another terminal without reading, such as with the example `stalled_reader` of the client.

use std::env;
use std::error::Error as _;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use echoctl_server::{Config, Error, Event, Policy, Server, runtime};

fn main() -> ExitCode {
    let policy = match env::args().nth(1).as_deref() {
        None | Some("await") => Policy::Await,
        Some("bounded") => Policy::Bounded { limit: QUEUE_LIMIT },
        Some("drop") => Policy::Drop { limit: QUEUE_LIMIT },
        Some("disconnect") => Policy::Disconnect { limit: QUEUE_LIMIT, grace: Duration::from_secs(2) },
        Some(other) => {
            eprintln!("error: unknown policy {other}\nhint: use await, bounded, drop or disconnect");
            return ExitCode::FAILURE;
        }
    };
    if let Err(error) = serve(policy) {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        eprintln!("error: {error}{cause}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Serves until Ctrl-C.
fn serve(policy: Policy) -> Result<(), Error> {
    let config = Config {
        addr: (Ipv4Addr::LOCALHOST, 0).into(),
        policy,
        stats_every: Some(Duration::from_secs(1)),
        ..Config::default()
    };

    // It accepts; the server starts the threads that serve.
    let runtime = runtime(Some(1))?;
    let server = Server::bind(config)?;
    let shutdown = async { drop(tokio::signal::ctrl_c().await) };
    let stats = runtime.block_on(server.serve(print, shutdown))?;

    println!("{} connections, {} bytes echoed", stats.accepted, stats.totals.sent);
    Ok(())
}

/// Runs on the threads that serve: a program with slow output would put the events into a channel.
fn print(event: Event) {
    match event {
        Event::Listening(listening) => println!("listening on {}", listening.addr),
        Event::Stats(stats) => {
            println!("{} connections, {} bytes buffered", stats.connections, stats.buffered)
        }
        Event::Closed { peer, reason, totals } => {
            println!("{peer} closed: {reason}; {} bytes received, {} sent", totals.received, totals.sent);
        }
        Event::ShuttingDown { connections, .. } => println!("shutting down with {connections} connections"),
        Event::AcceptPaused { error } => println!("cannot accept: {error}"),
    }
}

/// Bytes.
const QUEUE_LIMIT: usize = 1 << 20;
