//! `echoctl ping`: measures the round-trip time of frames.

mod result;
mod sampling;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::anyhow;
use echoctl_client::{Ping, PingConfig, PingFault};
use echoctl_proto::Framing;
use echoctl_record::Ending;

use crate::address::ServerAddress;
use crate::consent::{Consent, ECHO_HINT, attempted};
use crate::exit::{Exit, Failure, Outcome};
use crate::machines::MachineArgs;
use crate::output::recorder::{RecordArgs, Recorder};
use crate::output::{ignore_broken_pipe, json_line, print};
use crate::terminal::interrupt;
use crate::values;
use result::{Summary, recorded};
use sampling::Sampling;

/// Measure round-trip latency, checking every reply
///
/// Without --qps, each connection sends the next frame when the reply to the last has arrived (closed loop). With --qps,
/// frames are due at a fixed rate, and each is timed from when it was due (open loop). A frame is sent late if its connection
/// still waits for a reply, so a stall counts in every frame that was due meanwhile, as it would for users. Exits with 1 if a reply was wrong or did not arrive, with 3 if the server
/// did not keep up.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Number of connections
    ///
    /// Each has at most one frame in flight.
    #[arg(short, long, help_heading = "Load", default_value = "1", value_name = "N", value_parser = values::number::<u16>(1..=MAX_CONNECTIONS))]
    connections: u16,

    /// Frame size, at most 64KiB
    ///
    /// It includes the framing overhead: the newline, or the length prefix.
    #[arg(long, help_heading = "Load", default_value = "64", value_name = "SIZE", value_parser = values::size_up_to(usize::MAX))]
    size: usize,

    /// Frames per second in total [default: closed loop]
    ///
    /// Over all connections.
    #[arg(short, long, alias = "rate", help_heading = "Load", value_name = "N", value_parser = values::number::<u64>(1..=MAX_RATE))]
    qps: Option<u64>,

    /// Number of frames
    #[arg(short = 'n', long, help_heading = "Load", value_name = "N", value_parser = values::number::<u64>(1..=MAX_COUNT))]
    count: Option<u64>,

    /// Duration [default: 5s, unless --count is given]
    #[arg(short = 't', long = "for", help_heading = "Load", value_name = "TIME", value_parser = values::positive_duration)]
    duration: Option<Duration>,

    /// Longest wait for a reply
    #[arg(long, hide_short_help = true, help_heading = "Limits", default_value = "10s", value_name = "TIME", value_parser = values::positive_duration)]
    timeout: Duration,

    /// Framing: lines, u16, u32, raw
    ///
    /// It must match the server's: lines (newline-terminated), u16 or u32 (big-endian length prefix), raw (bytes as they come).
    #[arg(long, help_heading = "I/O", default_value = "lines", value_parser = values::framing(), hide_possible_values = true, value_name = "NAME")]
    framing: Framing,

    #[command(flatten)]
    server: ServerAddress,

    #[command(flatten, next_help_heading = "Output")]
    recording: RecordArgs,

    /// Print the result as one JSON object
    #[arg(short = 'J', long, help_heading = "Output")]
    json: bool,

    #[command(flatten)]
    machines: MachineArgs,

    #[command(flatten, next_help_heading = "Consent")]
    consent: Consent,
}

const EXAMPLES: &str = "\
Examples:
  echoctl ping                           5 seconds, one frame after the other
  echoctl ping -c 64 -n 100000           64 clients at once
  echoctl ping -q 1000 -t 30             what users would wait, stalls included";

pub(crate) fn run(args: Args) -> Outcome {
    let target = args.consent.find(&args.server.addr)?;
    args.machines.check()?;
    let recorder = Recorder::new(&args.recording, args.server.addr.clone(), args.machines.index())?;
    let opened = target.open(|addr, within| {
        let config = args.config(addr, within);
        let ping = attempted(Ping::connect(config.clone()))?;
        Ok(ping.map(|ping| (config, ping)))
    })?;
    let (config, ping) = opened.connection;
    args.machines.wait()?;
    interrupt::catch_signals(Duration::ZERO);
    let stopper = ping.stop_handle();
    interrupt::on_request(move || stopper.stop())?;
    let sampling = recorder.is_used().then(|| Sampling::start(recorder, &ping)).transpose()?;
    let outcome = ping.run();
    let recorder = sampling.map(Sampling::finish);
    // A signal while the result is printed does not change the exit code.
    let is_interrupted = interrupt::since().is_some();

    let summary = Summary::new(&config, &outcome);
    let printed =
        ignore_broken_pipe(if args.json { json_line("summary", &summary) } else { print(&summary) });
    // The files are written even if stdout is closed.
    let written = recorder.map_or(Ok(()), |recorder| {
        recorder.finish(|run| {
            args.machines.complete(run);
            run.ending = Some(Ending::Ping { ping: recorded(&config, &outcome) });
        })
    });
    printed?;
    written?;
    if is_interrupted {
        return Ok(Exit::Interrupted);
    }
    if let Some(fault) = outcome.faults.into_iter().next() {
        let is_silent =
            outcome.latencies.count() == 0 && matches!(fault, PingFault::TimedOut(_) | PingFault::PeerClosed);
        let failure = Failure::from(anyhow!("pinging {}: {:#}", config.addr, anyhow!(fault)));
        return Err(if is_silent { failure.hint(ECHO_HINT) } else { failure });
    }
    Ok(if summary.has_kept_up() { Exit::Done } else { Exit::Inconclusive })
}

impl Args {
    /// The settings for this address.
    fn config(&self, addr: SocketAddr, connect_timeout: Duration) -> PingConfig {
        PingConfig {
            addr,
            framing: self.framing,
            size: self.size,
            connections: self.connections.into(),
            rate: self.qps,
            phase: self.qps.map_or(Duration::ZERO, |rate| self.machines.phase(rate)),
            count: self.count,
            duration: self.duration.or(self.count.is_none().then_some(DEFAULT_TIME)),
            timeout: self.timeout,
            connect_timeout,
        }
    }
}

/// The duration without an option: long enough for a meaningful p99.9, short enough to wait for.
const DEFAULT_TIME: Duration = Duration::from_secs(5);

/// Each connection has a thread: beyond this number, the scheduler is measured instead of the server.
const MAX_CONNECTIONS: u64 = 1000;

/// More frames than any run can send, and a sum of two does not overflow.
const MAX_COUNT: u64 = i64::MAX as u64;

/// At more than a million frames per second, the cost of reading the clock would show.
const MAX_RATE: u64 = 1_000_000;
