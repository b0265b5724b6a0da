//! The options of `echoctl watch`.

use std::time::Duration;

use crate::output::recorder::RecordArgs;
use crate::values;

/// Watch a live server's queues and memory without sending to it
///
/// Works with any server on this host, in any language. Shows which connections buffer bytes, which side they wait for, and how
/// much memory that takes in the server and in the kernel. A client's queues are visible if the client is on this host too. Above
/// 10,000 connections, each sample reads the new ones and 10,000 of the others in turn. Needs Linux. To
/// see the memory of another user's server, give its port and --pid, or run as root.
///
/// On a terminal it is a table of all connections with keys: Enter shows one over time, 1 to 9 sort, / filters, ? lists all keys,
/// q quits.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}{METRICS_EXAMPLE}"))]
pub(crate) struct Args {
    /// Ports, pids, addresses or process names, as one
    ///
    /// A number is a port if a server listens there, otherwise a pid. host:port, :port and unix:/path are addresses. Anything else is
    /// the name of a process or of its executable, and stands for all processes with that name that listen; a host name needs a
    /// port. With neither a target nor --pid, ECHOCTL_ADDR is the target.
    #[arg(value_name = "TARGET", help_heading = "Target")]
    pub(super) targets: Vec<String>,

    /// Measure the memory of this process and its children
    ///
    /// Without a target, all addresses at which the process listens are watched.
    #[arg(long, value_name = "PID", value_parser = values::number::<u32>(values::PIDS), help_heading = "Target")]
    pub(super) pid: Option<u32>,

    /// Watch the connections that a process has opened
    ///
    /// For a client of a database, or a proxy: whether it or its peer does not read. A pid or a name need not listen; a port or an
    /// address stands for the process that listens there. In all figures, its end is in the place of the server and its peer in that of
    /// the client. Needs to see the process's open files: it is yours, or you are root.
    #[arg(long, help_heading = "Target")]
    pub(super) outbound: bool,

    /// Map processes, to find what absorbs backpressure
    ///
    /// Shows the processes of this host, their TCP and Unix connections with the bytes in their queues, and what each process does
    /// whose output is held back: pass pressure on, absorb it in memory or on disk, discard, or wait. With TARGETs, only what their
    /// processes are connected with. --report writes the last map.
    #[arg(long, value_name = "TARGET", num_args = 0.., conflicts_with_all = ["pid", "outbound", "top", "explain", "record"], help_heading = "Target")]
    pub(super) map: Option<Vec<String>>,

    /// Stop after this time [default: at Ctrl-C]
    #[arg(short = 't', long = "for", value_name = "TIME", value_parser = values::duration, help_heading = "Limits")]
    pub(super) duration: Option<Duration>,

    /// Interval between lines or JSON samples
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = values::positive_duration, help_heading = "Output")]
    pub(super) every: Duration,

    /// Number of connections listed with a line or a JSON sample
    ///
    /// The worst come first, and each cause is among them. Below a line of text only connections that wait are listed: new ones at
    /// once, all of them every tenth line.
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = values::number::<u32>(0..=MAX_TOP), help_heading = "Output", hide_short_help = true)]
    pub(super) top: u32,

    /// Print the ss command that shows the cause of each connection
    ///
    /// ss belongs to iproute2. Beside the command stand the figures of its output to look at.
    #[arg(long, help_heading = "Output", hide_short_help = true, conflicts_with = "json")]
    pub(super) explain: bool,

    #[command(flatten, next_help_heading = "Output")]
    pub(super) recording: RecordArgs,

    /// Print samples and a summary as JSON, one per line
    #[arg(short = 'J', long, help_heading = "Output")]
    pub(super) json: bool,

    #[cfg(feature = "live")]
    #[arg(long, value_name = "ADDR", value_parser = crate::address::to_listen, conflicts_with_all = ["outbound", "map", "explain", "every", "top", "json", "record", "report"], help_heading = "Output", long_help = METRICS, help = "Serve metrics for Prometheus at ADDR, without a view")]
    pub(super) metrics: Option<std::net::SocketAddr>,

    /// Plain ASCII lines: no live view, no colour
    #[arg(long, help_heading = "Output")]
    pub(super) plain: bool,

    /// Exit when stdin is closed, so that the metrics do not outlive their parent
    #[cfg(feature = "live")]
    #[arg(long, hide = true, requires = "metrics")]
    pub(super) until_stdin_ends: bool,
}

const EXAMPLES: &str = "\
Examples:
  echoctl watch 6379                       a Redis server on its usual port
  echoctl watch 127.0.0.1:8080 --for 30s   half a minute of one address
  echoctl watch nginx 9090                 nginx and port 9090, as one
  echoctl watch --outbound api             what a process sends to its database
  echoctl watch --pid 4711 --json          all ports of a process, as JSON
  echoctl watch 8080 --record run.json     for echoctl report and compare";

/// The example of `--metrics`.
const METRICS_EXAMPLE: &str = if cfg!(feature = "live") {
    "\n  echoctl watch --metrics 127.0.0.1:9646   for Prometheus, all listeners"
} else {
    ""
};

/// Long help of `--metrics`.
#[cfg(feature = "live")]
const METRICS: &str = concat!(
    "Serve metrics for Prometheus at ADDR, without a view\n\n",
    crate::metrics::help!(),
    " Without a target, all TCP listeners of this host have metrics, as they come and go."
);

/// Limit of connections in a JSON sample: lines beyond it are too long for most readers.
const MAX_TOP: u64 = 100_000;
