//! The options of `echoctl flood`, and what they come to.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use echoctl_client::{Config, Rate, Reading};
use echoctl_observe::MemoryShare;
use echoctl_proto::Framing;
use echoctl_server::raise_descriptor_limit;

use crate::address;
use crate::consent::Consent;
use crate::exit::Failure;
use crate::recording::RecordArgs;
use crate::values;

/// Overproduce: send to a server as fast as you like, read the replies slowly or never, and see where the bytes go
///
/// Reads everything back and checks every byte, unless told otherwise: --no-read, --read-rate and --read-for make the slow
/// consumer that a server needs backpressure for. The reader's throttle never slows the writer. Exit code 1 when bytes
/// came back wrong or the server hung up unasked.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Send to this server: host:port, or a port of loopback
    #[arg(env = "ECHOCTL_ADDR", default_value = address::DEFAULT, value_name = "ADDR")]
    pub(super) addr: String,

    /// Open so many connections; rates and bytes are for all of them together
    #[arg(long, default_value = "1", value_name = "N", value_parser = values::number::<u16>(1..=MOST_CONNECTIONS))]
    connections: u16,

    /// Mark frames as lines, u16, u32 or raw; the server's --framing must be the same
    #[arg(long, default_value = "lines", value_name = "FRAMING")]
    framing: Framing,

    /// Send frames of this size, or of random sizes as in 64..4KiB; marks included
    #[arg(long, default_value = "1KiB", value_name = "SIZE", value_parser = sizes)]
    size: RangeInclusive<usize>,

    /// Make sizes and contents from this number: the same seed sends the same bytes
    #[arg(long, default_value = "1", value_name = "N")]
    seed: u64,

    /// Write so much at a time, whole or part of frames [default: 64KiB; 256KiB with --rate max]
    #[arg(long, value_name = "SIZE", value_parser = write_size)]
    write_size: Option<usize>,

    /// Send so many bytes a second, or max [default: max; 64MiB when the reader is stopped or slow]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    rate: Option<Rate>,

    /// Duration of the sending [default: 10s; with --bytes 10m, or twice what the rate needs]
    ///
    /// Where everything is read, reading goes on until all has come back: while at least 64KiB move in 5 s, and for at most
    /// 30 s plus twice the duration. A server that sends more than it was sent ends the run at once. With --bytes and without
    /// --for, sending also ends when the server has taken less than 64KiB in 5 s.
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    for_: Option<Duration>,

    /// Send so many bytes, the last frame finished
    #[arg(long, value_name = "SIZE", value_parser = values::positive_size)]
    bytes: Option<u64>,

    /// Never read: the client that takes a server without backpressure down
    #[arg(long, conflicts_with_all = ["read_rate", "read_for"])]
    no_read: bool,

    /// Read so many bytes a second
    #[arg(long, value_name = "RATE", value_parser = values::rate, conflicts_with = "read_for")]
    read_rate: Option<u64>,

    /// Read for so long, and then no more
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    read_for: Option<Duration>,

    /// Afterwards, read all pending replies and check that none is lost; bounded as --for says
    #[arg(long)]
    then_read: bool,

    /// Set our send buffer (SO_SNDBUF) [default: the kernel's, which grows to some MiB]
    #[arg(long, value_name = "SIZE", value_parser = values::positive_size)]
    sndbuf: Option<u64>,

    /// Set our receive buffer (SO_RCVBUF) [default: the kernel's, which grows to some MiB]
    #[arg(long, value_name = "SIZE", value_parser = values::positive_size)]
    rcvbuf: Option<u64>,

    /// Stop when the server's memory has grown by this much [default: a quarter of the memory left, at most 1GiB]
    ///
    /// What is left to this process or to the server, whichever is less: of their control groups (both versions, every
    /// level), RLIMIT_AS, RLIMIT_DATA and the machine. The default is at least 16MiB.
    #[arg(long, value_name = "SIZE", value_parser = values::positive_size)]
    memory_limit: Option<u64>,

    /// Watch the memory of this process (and its children) [default: whoever listens at ADDR]
    #[arg(long, value_name = "PID", value_parser = values::number::<u32>(values::PIDS))]
    pub(super) pid: Option<u32>,

    #[command(flatten)]
    pub(super) recording: RecordArgs,

    /// Print one JSON object a line on stdout: 20 samples a second, then the summary
    #[arg(long)]
    pub(super) json: bool,

    /// Print a line a second instead of the live view
    #[arg(long)]
    pub(super) plain: bool,

    #[command(flatten)]
    pub(super) consent: Consent,
}

impl Args {
    /// The limit of the server's growth, with its reason where it was not given.
    pub(super) fn memory(&self, server_pids: &[u32]) -> MemoryShare {
        self.memory_limit.map_or_else(|| MemoryShare::with(server_pids), MemoryShare::fixed)
    }

    /// Raises the limit of open files as far as the connections need it.
    ///
    /// # Errors
    /// Exit 2 when it cannot be raised that far: told before anything is sent, not by the last connection.
    pub(super) fn check_descriptors(&self) -> Result<(), Failure> {
        let needs = u64::from(self.connections) + OWN_DESCRIPTORS;
        match raise_descriptor_limit() {
            Ok(limit) if limit < needs => Err(Failure::usage(format_args!(
                "--connections {}: needs {needs} file descriptors, the limit is {limit}\n\
                 hint: ask for at most {}, or raise the limit (ulimit -n)",
                self.connections,
                limit.saturating_sub(OWN_DESCRIPTORS)
            ))),
            // Where the limit is not known, connecting will tell.
            _ => Ok(()),
        }
    }

    /// What the client is to do at this address.
    ///
    /// # Errors
    /// Exit 2, naming the option, when values do not fit each other.
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
        let buffer = |bytes: Option<u64>| bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let config = Config {
            connections: self.connections.into(),
            framing: self.framing,
            sizes: self.size.clone(),
            seed: self.seed,
            write_size: self.write_size.unwrap_or(write_size),
            rate,
            reading,
            duration: Some(self.for_.unwrap_or_else(|| self.default_time(rate))),
            idle_timeout: (self.for_.is_none() && self.bytes.is_some()).then_some(Config::STALL_TIMEOUT),
            bytes: self.bytes,
            drain_at_end: self.then_read,
            sndbuf: buffer(self.sndbuf),
            rcvbuf: buffer(self.rcvbuf),
            connect_timeout,
            ..Config::new(addr)
        };
        // All other values were checked as they were read.
        config.check().map_err(|error| Failure::usage(format_args!("--size: {error}")))?;
        Ok(config)
    }

    /// The longest sending where no time is given.
    fn default_time(&self, rate: Rate) -> Duration {
        let Some(bytes) = self.bytes else { return FOR };
        match rate {
            Rate::Max => FOR_BYTES,
            Rate::Limited(rate) => FOR_BYTES.max(Duration::from_secs((bytes / rate).saturating_mul(2))),
        }
    }
}

fn sizes(text: &str) -> Result<RangeInclusive<usize>, String> {
    let size = |text| {
        let size = values::positive_size(text)?;
        usize::try_from(size).map_err(|_| "is more than this machine can address".to_owned())
    };
    let (from, to) = match text.split_once("..") {
        None => (size(text)?, size(text)?),
        Some((from, to)) => (size(from)?, size(to.trim_start_matches('='))?),
    };
    if from > to {
        return Err("the first size must not be the larger: write it as 64..4KiB".to_owned());
    }
    Ok(from..=to)
}

fn write_size(text: &str) -> Result<usize, String> {
    let bytes = values::positive_size(text)?;
    let fits = usize::try_from(bytes).ok().filter(|&bytes| bytes <= Config::MAX_WRITE_SIZE);
    fits.ok_or_else(|| format!("at most {}", echoctl_record::Bytes(Config::MAX_WRITE_SIZE as u64)))
}

fn rate(text: &str) -> Result<Rate, String> {
    if text == "max" {
        return Ok(Rate::Max);
    }
    values::rate(text).map(Rate::Limited).map_err(|error| format!("{error}, or max"))
}

/// One local port for each connection to a server, of the 65535 that there are.
const MOST_CONNECTIONS: u64 = 65_535;

/// The same when bytes are given: a server that is at work takes them far sooner.
const FOR_BYTES: Duration = Duration::from_secs(600);

/// File descriptors beside the connections: the runtime's, the kernel's answers, files to write, a page of `/proc` per process.
const OWN_DESCRIPTORS: u64 = 64;

/// How long to send when neither time nor bytes are given: long enough for a verdict, short enough to wait for.
const FOR: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  echoctl flood                                     send and read back at full speed, every byte checked
  echoctl flood --no-read                           send and never read: what does the server do?
  echoctl flood --no-read --for 5s --then-read      and then read: has it kept every byte?
  echoctl flood --rate 64MiB --read-rate 1MiB       a consumer that is slower than the producer
  echoctl flood --framing u16 --size 64..4KiB       frames of random sizes, as in DNS over TCP";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_or_a_range() {
        assert_eq!(sizes("1KiB"), Ok(1024..=1024));
        assert_eq!(sizes("64..4KiB"), Ok(64..=4096));
        assert!(sizes("9..3").is_err());
        assert!(sizes("0").is_err());
        assert!(sizes("..").is_err());
    }

    #[test]
    fn a_rate_is_a_number_or_max() {
        assert_eq!(rate("max"), Ok(Rate::Max));
        assert_eq!(rate("20MiB/s"), Ok(Rate::Limited(20 << 20)));
        assert!(rate("fast").is_err_and(|error| error.contains("max")));
    }
}
