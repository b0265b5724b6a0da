//! Options of `echoctl flood`, and the client configuration that they describe.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use echoctl_client::{Config, Rate, Reading};
use echoctl_observe::raise_descriptor_limit;
use echoctl_proto::Framing;

use crate::address::ServerAddress;
use crate::consent::Consent;
use crate::exit::Failure;
use crate::machines::MachineArgs;
use crate::output::recorder::RecordArgs;
use crate::values;

/// Flood a server, read slowly or never, show where bytes pile up
///
/// By default every reply is read and every byte is compared with what was sent. With --no-read, --read-rate or --read-for
/// the client becomes the slow consumer that makes backpressure necessary; the client's writer never
/// waits for its own reader, so only the server can hold it back. Exits with 1 if replies were wrong, or if the server reset a
/// connection or closed it before the client had finished sending.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Number of connections; rates are totals
    ///
    /// Rates and byte counts are totals over all connections, in options and in results.
    #[arg(short, long, default_value = "1", value_name = "N", value_parser = values::number::<u16>(1..=MAX_CONNECTIONS), help_heading = "Load")]
    connections: u16,

    /// Total bytes to send, rounded up to a whole frame
    #[arg(short = 'n', long, value_name = "SIZE", value_parser = values::positive_size, help_heading = "Load")]
    bytes: Option<u64>,

    /// How long to send [default: 10s without --bytes]
    ///
    /// With --bytes the default is 10 min, or twice the time that --rate needs if that is longer. With --bytes but
    /// without --for, sending also stops when the server accepts less than 64KiB in 5 s.
    ///
    /// Replies that are pending at the end are read for at most 30 s plus twice this time (with --no-read, --read-rate or
    /// --read-for only if --then-read is given). Reading stops earlier if less than 64KiB move in 5 s. The run stops immediately
    /// if the server sends more than it received.
    #[arg(short = 't', long = "for", value_name = "TIME", value_parser = values::duration, help_heading = "Load")]
    duration: Option<Duration>,

    /// Send rate [default: max; 64MiB if reading is limited]
    ///
    /// Bytes per second over all connections, or max. The default is max if the client reads everything. With --no-read,
    /// --read-rate or --read-for it is 64MiB, slow enough to watch the queues fill.
    #[arg(long, value_name = "RATE", value_parser = rate, help_heading = "Load")]
    rate: Option<Rate>,

    /// Frame size, or a range of random sizes such as 64..4KiB
    ///
    /// It includes the framing overhead: the newline, or the length prefix.
    #[arg(long, default_value = "1KiB", value_name = "SIZE", value_parser = sizes, help_heading = "Load", hide_short_help = true)]
    size: RangeInclusive<usize>,

    /// Bytes per write call [default: 64KiB, or 256KiB with --rate max]
    ///
    /// Need not align with frames.
    #[arg(long, value_name = "SIZE", value_parser = values::size_up_to(Config::MAX_WRITE_SIZE), help_heading = "Load", hide_short_help = true)]
    write_size: Option<usize>,

    /// Seed for frame sizes and contents: the same seed sends the same bytes
    #[arg(long, default_value = "1", value_name = "N", help_heading = "Load", hide_short_help = true)]
    seed: u64,

    /// Do not read the replies (but see --then-read)
    ///
    /// With --then-read they are read at the end, after sending.
    #[arg(long, conflicts_with_all = ["read_rate", "read_for"], help_heading = "Reader")]
    no_read: bool,

    /// Read rate in bytes per second
    ///
    /// Over all connections.
    #[arg(long, value_name = "RATE", value_parser = values::rate, conflicts_with = "read_for", help_heading = "Reader")]
    read_rate: Option<u64>,

    /// Read for this long, then stop reading
    #[arg(long, value_name = "TIME", value_parser = values::duration, help_heading = "Reader", hide_short_help = true)]
    read_for: Option<Duration>,

    /// After sending, read and verify all pending replies
    ///
    /// Shows whether any reply is lost. The printed rate counts only the time in which these replies are read.
    #[arg(long, help_heading = "Reader")]
    then_read: bool,

    /// Stop when the server's memory grows this much [default: up to 1GiB]
    ///
    /// The default is a quarter of the memory available to this process or to the server, whichever is less; at least 16MiB, at
    /// most 1GiB. The available memory is the smallest of what these limits leave free: their control groups (v1 and v2, every
    /// level), RLIMIT_AS, RLIMIT_DATA, and the machine's memory.
    #[arg(long, value_name = "SIZE", value_parser = values::positive_size, help_heading = "Limits", hide_short_help = true)]
    pub(super) memory_limit: Option<u64>,

    /// Framing; must match the server's --framing: lines, u16, u32 or raw
    #[arg(long, default_value = "lines", value_parser = values::framing(), hide_possible_values = true, value_name = "NAME", help_heading = "I/O", hide_short_help = true)]
    framing: Framing,

    /// Send buffer size, SO_SNDBUF [default: sized by the kernel]
    ///
    /// Of each of the client's sockets. The kernel doubles the value. By default it resizes the buffer while data flows, up to net.ipv4.tcp_wmem.
    #[arg(long, value_name = "SIZE", value_parser = values::size_up_to(usize::MAX), help_heading = "I/O", hide_short_help = true)]
    sndbuf: Option<usize>,

    /// Receive buffer size, SO_RCVBUF [default: sized by the kernel]
    ///
    /// Of each of the client's sockets. The kernel doubles the value. By default it resizes the buffer while data flows, up to net.ipv4.tcp_rmem.
    #[arg(long, value_name = "SIZE", value_parser = values::size_up_to(usize::MAX), help_heading = "I/O", hide_short_help = true)]
    rcvbuf: Option<usize>,

    /// Name of the connections on the page of `echoctl class`
    ///
    /// Each connection begins with the frame "name NAME". Its echo is awaited, and counted neither as sent nor as read.
    /// At most 40 characters.
    #[arg(long, value_name = "NAME", value_parser = name, help_heading = "Target", hide_short_help = true)]
    pub(super) name: Option<String>,

    #[command(flatten)]
    pub(super) server: ServerAddress,

    /// Process of the server [default: the listener at ADDR]
    ///
    /// The memory of this process and its children is measured.
    #[arg(long, value_name = "PID", value_parser = values::number::<u32>(values::PIDS), help_heading = "Target", hide_short_help = true)]
    pub(super) pid: Option<u32>,

    #[command(flatten, next_help_heading = "Output")]
    pub(super) recording: RecordArgs,

    /// Print samples and a summary as JSON, one per line
    ///
    /// 20 samples per second, then the summary, on stdout.
    #[arg(short = 'J', long, help_heading = "Output")]
    pub(super) json: bool,

    /// Plain ASCII lines: no live view, no colour
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(super) plain: bool,

    #[command(flatten)]
    pub(super) machines: MachineArgs,

    #[command(flatten, next_help_heading = "Consent")]
    pub(super) consent: Consent,
}

impl Args {
    /// Raises the limit of open files as far as the connections need it.
    ///
    /// # Errors
    /// Exit 2 if it cannot be raised that far: before anything is sent, and not at the last connection.
    pub(super) fn check_descriptors(&self) -> Result<(), Failure> {
        let needs = u64::from(self.connections) + OWN_DESCRIPTORS;
        match raise_descriptor_limit() {
            Ok(limit) if limit < needs => Err(Failure::usage(format_args!(
                "--connections {}: needs {needs} file descriptors, the limit is {limit}\n\
                 hint: use at most {}, or raise the limit (ulimit -n)",
                self.connections,
                limit.saturating_sub(OWN_DESCRIPTORS)
            ))),
            // Where the limit is unknown, connecting shows it.
            _ => Ok(()),
        }
    }

    /// Client configuration for this address.
    ///
    /// # Errors
    /// Exit 2 with the name of the option if two values contradict each other.
    pub(super) fn config(&self, addr: SocketAddr, connect_timeout: Duration) -> Result<Config, Failure> {
        let reading = match (self.no_read, self.read_rate, self.read_for) {
            (true, ..) => Reading::Nothing,
            (_, Some(rate), _) => Reading::AtRate(rate),
            (_, _, Some(time)) => Reading::For(time),
            _ => Reading::All,
        };
        let rate = self.rate.unwrap_or(Rate::default_for(&reading));
        let write_size = match rate {
            Rate::Max => Config::FULL_SPEED_WRITE_SIZE,
            Rate::Limited(_) => Config::WRITE_SIZE,
        };
        let config = Config {
            connections: self.connections.into(),
            framing: self.framing,
            sizes: self.size.clone(),
            seed: self.machines.seed(self.seed),
            write_size: self.write_size.unwrap_or(write_size),
            rate,
            reading,
            duration: Some(self.duration.unwrap_or_else(|| self.default_time(rate))),
            idle_timeout: (self.duration.is_none() && self.bytes.is_some()).then_some(Config::STALL_TIMEOUT),
            bytes: self.bytes,
            drain_at_end: self.then_read,
            sndbuf: self.sndbuf,
            rcvbuf: self.rcvbuf,
            connect_timeout,
            ..Config::new(addr)
        };
        // All other values were checked when they were parsed.
        config.check().map_err(|error| Failure::usage(format_args!("--size: {error}")))?;
        Ok(config)
    }

    /// Time limit of sending where none was given.
    fn default_time(&self, rate: Rate) -> Duration {
        let needed = match (self.bytes, rate) {
            (None, _) => return DEFAULT_DURATION,
            (Some(_), Rate::Max) => 0,
            (Some(bytes), Rate::Limited(rate)) => bytes / rate,
        };
        MIN_DURATION_FOR_BYTES.max(Duration::from_secs(needed.saturating_mul(2)))
    }
}

fn sizes(text: &str) -> Result<RangeInclusive<usize>, String> {
    let size = values::size_up_to(usize::MAX);
    let (from, to) = match text.split_once("..") {
        None => (size(text)?, size(text)?),
        Some((from, to)) => (size(from)?, size(to.trim_start_matches('='))?),
    };
    if from > to {
        return Err("the first size exceeds the second: expected a range such as 64..4KiB".to_owned());
    }
    Ok(from..=to)
}

fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    values::rate(text).map(Rate::Limited).map_err(|error| format!("{error}, or max"))
}

/// Parses the name of a connection.
fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match name.chars().count() {
        _ if name.chars().any(char::is_control) => Err("must not contain control characters".to_owned()),
        1..=MAX_NAME => Ok(name.to_owned()),
        _ => Err(format!("must have 1 to {MAX_NAME} characters")),
    }
}

/// Characters of a name, of which a class server keeps as many.
const MAX_NAME: usize = 40;

/// Each connection to a server needs a local port of its own, and there are 65535.
const MAX_CONNECTIONS: u64 = 65_535;

/// Time limit where bytes are given: a server at work accepts them far sooner.
const MIN_DURATION_FOR_BYTES: Duration = Duration::from_secs(600);

/// File descriptors besides the connections: the runtime's, netlink sockets, output files, one file in `/proc` per process.
const OWN_DESCRIPTORS: u64 = 64;

/// How long to send if neither time nor bytes are given: long enough for a verdict, short enough to wait for.
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  echoctl flood                                 full speed, verify every byte
  echoctl flood --no-read                       send and never read
  echoctl flood --no-read --for 5s --then-read  then read: is any reply lost?
  echoctl flood --rate 64MiB --read-rate 1MiB   a slow consumer
  echoctl flood --framing u16 --size 64..4KiB   random sizes, as in DNS over TCP

In the live view, a percentage is the part of a kernel queue's memory limit that is in use, and \"full\" means that the \
kernel accepts no more bytes: a send queue that uses more than two thirds of \
its buffer is not writable, and a receive queue with a closed window is not filled any further.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_one_number_or_a_range() {
        assert_eq!(sizes("1KiB"), Ok(1024..=1024));
        assert_eq!(sizes("64..4KiB"), Ok(64..=4096));
        assert!(sizes("9..3").is_err());
        assert!(sizes("0").is_err());
        assert!(sizes("..").is_err());
    }

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(name(" ada lovelace "), Ok("ada lovelace".to_owned()));
        assert!(name(&"x".repeat(40)).is_ok());
        for refused in ["", "  ", "a\nb", "\u{1b}[2J", &"x".repeat(41)] {
            assert!(name(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_rate_is_a_number_or_max() {
        assert_eq!(rate("max"), Ok(Rate::Max));
        assert_eq!(rate("20MiB/s"), Ok(Rate::Limited(20 << 20)));
        assert!(rate("fast").is_err_and(|error| error.contains("max")));
    }
}
