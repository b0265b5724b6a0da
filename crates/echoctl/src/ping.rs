//! `echoctl ping`: how long a frame takes to the server and back.

mod result;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;
use echoctl_client::{Error, Ping, PingConfig, PingFault};
use echoctl_observe::start_thread;
use echoctl_proto::Framing;
use tokio::sync::oneshot;

use crate::address;
use crate::consent::Consent;
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::{self, interrupted};
use crate::output::{ignore_broken_pipe, json_line, print};
use crate::values;
use result::Summary;

/// Time frames to a server and back, and check each reply
///
/// Without --rate each connection sends the next frame when the last is back, which times the server at its best. With
/// --rate a frame is due by a plan and its time counts from then, so that a stall shows in every frame that was due
/// meanwhile, as it would to users. Exit code 1 when a reply was wrong or did not come, 3 when the server did not keep up.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Send to this server: host:port, or a port of loopback
    #[arg(env = "ECHOCTL_ADDR", default_value = address::DEFAULT, value_name = "ADDR")]
    addr: String,

    /// Open so many connections, each with one frame on its way at most
    #[arg(long, default_value = "1", value_name = "N", value_parser = values::number::<u16>(1..=MAX_CONNECTIONS))]
    connections: u16,

    /// Mark frames as lines, u16, u32 or raw; the server's --framing must be the same
    #[arg(long, default_value = "lines", value_name = "FRAMING")]
    framing: Framing,

    /// Send frames of this size, marks included; at most 64KiB
    #[arg(long, default_value = "64", value_name = "SIZE", value_parser = values::positive_size)]
    size: u64,

    /// Send so many frames a second over all connections [default: the next when the last is back]
    #[arg(long, value_name = "N", value_parser = values::number::<u64>(1..=MAX_RATE))]
    rate: Option<u64>,

    /// Send so many frames in all
    #[arg(long, value_name = "N", value_parser = values::number::<u64>(1..=MAX_COUNT))]
    count: Option<u64>,

    /// Send for so long [default: 5s, unless --count is given]
    #[arg(long = "for", value_name = "TIME", value_parser = values::positive_duration)]
    duration: Option<Duration>,

    /// Give a reply up after so long
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = values::positive_duration)]
    timeout: Duration,

    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    consent: Consent,
}

const EXAMPLES: &str = "\
Examples:
  echoctl ping                                  5 seconds, one frame after the other
  echoctl ping --connections 64 --count 100000  how much slower when 64 ask at once
  echoctl ping --rate 1000 --for 30s            what users would wait, stalls included";

pub(crate) fn run(args: Args) -> Outcome {
    let target = args.consent.find(&args.addr)?;
    let opened = target.open(|addr, within| {
        let config = args.config(addr, within);
        match Ping::connect(config.clone()) {
            Ok(ping) => Ok(Ok((config, ping))),
            Err(Error::Connect { source, opened: 0, .. }) => Ok(Err(source)),
            // Where one connection was made and the next was not, another address is no help.
            Err(Error::Connect { addr, source, .. }) => {
                Err(Failure::new(Exit::Unreachable, anyhow!("cannot connect to {addr}: {source}")))
            }
            Err(error) => Err(Failure::usage(error)),
        }
    })?;
    let (config, ping) = opened.connection;
    interrupt::catch_signals(Duration::ZERO);
    let stopper = ping.stop_handle();
    let (ended, mut end) = oneshot::channel();
    start_thread("ping", move || {
        // It fails only when nobody waits for the outcome any more.
        let _ = ended.send(ping.run());
    })?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (outcome, is_interrupted) = runtime.block_on(async {
        tokio::select! {
            outcome = &mut end => (outcome, false),
            () = interrupted() => {
                stopper.stop();
                (end.await, true)
            }
        }
    });
    let outcome = outcome.map_err(|_| anyhow!("the pinging thread is gone"))?;

    let summary = Summary::new(&config, &outcome);
    ignore_broken_pipe(if args.json { json_line("summary", &summary) } else { print(&summary) })?;
    if is_interrupted {
        return Ok(Exit::Interrupted);
    }
    if let Some(fault) = outcome.faults.into_iter().next() {
        let hint = hint(&fault, outcome.latencies.count());
        return Err(anyhow!("pinging {}: {:#}{hint}", config.addr, anyhow!(fault)).into());
    }
    Ok(if summary.has_kept_up() { Exit::Done } else { Exit::Inconclusive })
}

impl Args {
    /// What to ask at this address.
    fn config(&self, addr: SocketAddr, connect_timeout: Duration) -> PingConfig {
        PingConfig {
            addr,
            framing: self.framing,
            size: usize::try_from(self.size).unwrap_or(usize::MAX),
            connections: self.connections.into(),
            rate: self.rate,
            count: self.count,
            duration: self.duration.or(self.count.is_none().then_some(DEFAULT_TIME)),
            timeout: self.timeout,
            connect_timeout,
        }
    }
}

/// What may be amiss where no frame ever came back.
fn hint(fault: &PingFault, replies: u64) -> &'static str {
    match fault {
        PingFault::TimedOut(_) | PingFault::PeerClosed if replies == 0 => {
            ": does it echo, and with the same --framing?"
        }
        _ => "",
    }
}

/// Long enough for a p99.9 that means something, short enough to wait for.
const DEFAULT_TIME: Duration = Duration::from_secs(5);

/// A thread each: beyond this the scheduler is measured, not the server.
const MAX_CONNECTIONS: u64 = 1000;

/// More than any run sends in a year, and a sum of two does not overflow.
const MAX_COUNT: u64 = i64::MAX as u64;

/// Beyond a million a second the clock's own cost would show.
const MAX_RATE: u64 = 1_000_000;
