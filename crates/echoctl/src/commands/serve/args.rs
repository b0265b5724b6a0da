//! Options of `echoctl serve`, and the server configuration that they describe.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use echoctl_observe::MemoryShare;
use echoctl_proto::Framing;
use echoctl_record::Bytes;
use echoctl_server::{Config, Error, Io, MinRate, Policy};

use super::failure;
use crate::address;
use crate::exit::Failure;
use crate::terminal::quit_key::QuitKey;
use crate::values::{self, duration, number, positive_duration, positive_size, rate, size_up_to};

/// Run an echo server with a selectable backpressure policy
///
/// Every frame is echoed. The policy decides what happens when a client reads more slowly than replies are produced. On a
/// terminal, one line shows connections, bytes and memory once per second, and the keys 1 to 7 change the policy of all
/// connections while they are open. On Ctrl-C it answers what has already arrived (for at most --drain), then exits.
/// Exits with 1 if it cannot listen, for example because the port is in use.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// await|off|bounded|watermark|drop|disconnect|budget
    #[arg(long, value_enum, default_value_t = Backpressure::Await, value_name = "NAME", hide_default_value = true, hide_possible_values = true, long_help = policies(), help_heading = "Backpressure")]
    backpressure: Backpressure,

    /// Limit of the reply queue [default: 1MiB]
    ///
    /// Per connection; in total with --backpressure budget. Has no effect with await and off, unless a key chooses another policy.
    #[arg(long, value_parser = size_up_to(usize::MAX), value_name = "SIZE", help_heading = "Backpressure")]
    queue_limit: Option<usize>,

    /// With watermark: low watermark [default: a quarter of --queue-limit]
    ///
    /// Reading resumes when the queue has fallen to this size.
    #[arg(long, value_parser = values::size, value_name = "SIZE", help_heading = "Backpressure", hide_short_help = true)]
    resume_at: Option<u64>,

    /// With disconnect: time a queue may stay over its limit [default: 0s]
    #[arg(long, value_parser = duration, value_name = "TIME", help_heading = "Backpressure", hide_short_help = true)]
    grace: Option<Duration>,

    /// Total of queues and buffers [default: up to 1GiB]
    ///
    /// Reply queues and frame buffers of all connections together.
    /// Above it, the connection that buffers most is reset, and the others continue to be served.
    ///
    /// The default is a quarter of the memory available to this process; at least 16MiB, at most 1GiB. The
    /// available memory is the smallest of what these limits leave free: its control groups (v1 and v2, every level),
    /// RLIMIT_AS, RLIMIT_DATA, and the machine's memory.
    #[arg(long, value_parser = positive_size, value_name = "SIZE", help_heading = "Limits")]
    memory_limit: Option<u64>,

    /// Maximum payload of a frame; a longer one closes its connection
    ///
    /// It is lowered if --memory-limit is too small for such a frame.
    #[arg(long, value_parser = size_up_to(usize::MAX), default_value = values::size_text(Config::MAX_FRAME as u64), value_name = "SIZE", help_heading = "Limits", hide_short_help = true)]
    max_frame: usize,

    /// Maximum number of open connections, at most 1048576
    ///
    /// Further ones wait in the accept backlog.
    #[arg(long, value_parser = number::<u32>(1..=Config::MOST_CONNECTIONS as u64), default_value_t = Config::MAX_CONNECTIONS as u32, value_name = "N", help_heading = "Limits", hide_short_help = true)]
    max_connections: u32,

    /// Idle timeout, without input or pending replies [default: off]
    ///
    /// Disconnects a peer after this long without input, unless replies to it are pending.
    #[arg(long, value_parser = timeout, value_name = "TIME", help_heading = "Limits", hide_short_help = true)]
    idle_timeout: Option<Duration>,

    /// Disconnect peers that take no reply for this long
    #[arg(long, value_parser = timeout, value_name = "TIME", long_help = WRITE_TIMEOUT, help_heading = "Limits")]
    write_timeout: Option<Duration>,

    /// Minimum rate of acknowledged replies [default: off]
    ///
    /// Disconnects a peer that falls too far behind this rate while replies to it are pending. For example, with 10KiB and the default
    /// period of 30s, a peer is disconnected once it is 300 KiB behind: after 30 s if it stops reading, within 60 s if it reads
    /// 5 KiB/s. A peer that reads at this rate or faster stays connected if it reads
    /// one jump (see --write-timeout) within the period. Only time with pending replies counts.
    #[arg(long, value_parser = min_rate, value_name = "RATE", help_heading = "Limits", hide_short_help = true)]
    min_rate: Option<u64>,

    /// Period over which --min-rate is averaged [default: 30s]
    #[arg(long, value_parser = timeout, value_name = "TIME", requires = "min_rate", help_heading = "Limits", hide_short_help = true)]
    min_rate_period: Option<Duration>,

    /// On shutdown, wait at most this long for pending replies to be delivered
    #[arg(long, value_parser = duration, default_value = values::time_text(Config::DRAIN), value_name = "TIME", help_heading = "Limits", hide_short_help = true)]
    drain: Duration,

    /// Framing: lines, u16, u32 or raw [default: lines]
    ///
    /// lines: newline-terminated. u16, u32: prefixed with a big-endian length. raw: whatever one read returns.
    #[arg(long, default_value_t = Framing::Lines, hide_default_value = true, value_parser = values::framing(), hide_possible_values = true, value_name = "NAME", help_heading = "I/O")]
    framing: Framing,

    /// tasks|threads|one-thread|uring [default: tasks]
    #[arg(long, value_enum, default_value_t = IoMode::Tasks, value_name = "NAME", hide_default_value = true, hide_possible_values = true, long_help = io_models(), help_heading = "I/O")]
    io: IoMode,

    /// Worker threads, with --io tasks or uring [default: one per core]
    ///
    /// At most 1024.
    #[arg(long, value_parser = number::<u16>(1..=Config::MOST_WORKERS as u64), value_name = "N", help_heading = "I/O", hide_short_help = true)]
    workers: Option<u16>,

    /// Send buffer size, SO_SNDBUF [default: sized by the kernel]
    ///
    /// Of each connection. The kernel doubles the value. By default it resizes the buffer while data flows, up to net.ipv4.tcp_wmem.
    #[arg(long, value_parser = size_up_to(Config::LARGEST_KERNEL_BUFFER), value_name = "SIZE", help_heading = "I/O", hide_short_help = true)]
    sndbuf: Option<usize>,

    /// Receive buffer size, SO_RCVBUF [default: sized by the kernel]
    ///
    /// Of each connection. The kernel doubles the value. By default it resizes the buffer while data flows, up to net.ipv4.tcp_rmem.
    #[arg(long, value_parser = size_up_to(Config::LARGEST_KERNEL_BUFFER), value_name = "SIZE", help_heading = "I/O", hide_short_help = true)]
    rcvbuf: Option<usize>,

    /// Listen address: port or host:port [default: 127.0.0.1:7007]
    ///
    /// A port without a host is on loopback, and port 0 lets the kernel choose one. The default can be set with the
    /// environment variable ECHOCTL_ADDR.
    #[arg(short = 'p', long, value_parser = address::to_listen, default_value_t = Config::ADDR, hide_default_value = true, env = address::VARIABLE, hide_env = true, value_name = "ADDR", help_heading = "Listen")]
    addr: SocketAddr,

    /// Interval of the status line [default: 1s on a terminal, otherwise off]
    ///
    /// It shows connections, bytes and memory. The kernel memory it shows is that of the server's sockets; the clients'
    /// sockets use about as much again.
    #[arg(long, value_parser = positive_duration, value_name = "TIME", help_heading = "Output", hide_short_help = true)]
    stats_every: Option<Duration>,

    #[cfg(feature = "live")]
    #[arg(long, value_name = "ADDR", value_parser = address::to_listen, help_heading = "Output", hide_short_help = true, long_help = METRICS, help = "Serve metrics of this server for Prometheus at ADDR")]
    pub(super) metrics: Option<SocketAddr>,

    /// Print events as JSON, one per line
    ///
    /// On stdout: listening, stats, closed, policy (changed by a key), and a summary at the end. The server exits when the reader of stdout
    /// has gone.
    #[arg(short = 'J', long, help_heading = "Output")]
    pub(super) json: bool,

    /// Plain ASCII lines: no live view, no colour
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub(super) plain: bool,

    /// Exit when stdin is closed, so that the server does not outlive its parent
    #[arg(long, hide = true)]
    pub(super) until_stdin_ends: bool,
}

/// Backpressure policies, each with the most memory that it buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backpressure {
    /// No queue; the next read waits until the last reply is written. Holds at most one read per connection
    /// [also: on]
    #[value(alias = "on")]
    Await,
    /// Queue without a limit, which is the bug. Holds every reply that the peer has not read, up to
    /// --memory-limit [also: unbounded]
    #[value(alias = "unbounded")]
    Off,
    /// Queue; stops reading at its limit and resumes when there is room. Holds at most the limit plus one read per
    /// connection
    Bounded,
    /// Queue; stops reading at its limit and resumes at --resume-at. Holds at most the limit plus one read per
    /// connection
    Watermark,
    /// Queue; drops and counts each frame that does not fit. Holds at most the limit plus one read per connection
    Drop,
    /// Queue; stops reading over its limit, and disconnects a peer whose queue stays over it for --grace. Holds at
    /// most the limit plus one read per connection
    Disconnect,
    /// Queues that share one limit. Holds at most the limit in total plus one read per connection
    Budget,
}

/// I/O models: which threads wait for the sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IoMode {
    /// One async task per connection; the tasks share one thread per core (epoll)
    Tasks,
    /// One thread per connection with blocking calls: backpressure for free
    Threads,
    /// One thread polls all sockets but writes with blocking calls: one stalled peer stalls all of them (deliberately
    /// wrong)
    OneThread,
    /// One thread per core on which the kernel receives and sends (Linux's io_uring)
    Uring,
}

impl Args {
    /// Server configuration.
    ///
    /// # Errors
    /// Exit 2 if an option has no effect with the others.
    pub(crate) fn config(&self, memory: MemoryShare) -> Result<Config, Failure> {
        self.refuse_options_without_effect()?;
        let config = Config {
            addr: self.addr,
            framing: self.framing,
            max_frame: self.max_frame,
            policy: self.policy(self.backpressure),
            io: self.io(),
            workers: self.workers.map(usize::from),
            memory_limit: memory.limit,
            max_connections: self.max_connections as usize,
            idle_timeout: self.idle_timeout,
            write_timeout: self.write_timeout,
            min_rate: self.min_rate.map(|bytes_per_second| MinRate {
                bytes_per_second,
                period: self.min_rate_period.unwrap_or(MinRate::PERIOD),
            }),
            send_buffer: self.sndbuf,
            receive_buffer: self.rcvbuf,
            drain: self.drain,
            names: false,
            stats_every: self.stats_every.or((self.is_live() || self.has_metrics()).then_some(STATS_EVERY)),
        };
        if self.resume_at.is_some() && self.can_switch() {
            let policy = self.policy(Backpressure::Watermark);
            let checked = Config { policy, ..config.clone() }.check();
            checked.map_err(|error| failure(Error::Config(error)))?;
        }
        Ok(config)
    }

    /// Memory limit, with the reason for a default.
    pub(crate) fn memory(&self) -> MemoryShare {
        self.memory_limit.map_or_else(MemoryShare::own, MemoryShare::fixed)
    }

    /// Whether the status line is redrawn in place.
    pub(crate) fn is_live(&self) -> bool {
        !self.json && crate::output::is_live()
    }

    /// Whether keys are read: where the output is seen as well, and not by a child of the demo, which reads stdin itself.
    pub(super) fn has_keys(&self) -> bool {
        !self.until_stdin_ends && (self.is_live() || (self.json && io::stdout().is_terminal()))
    }

    /// Whether a key can change the policy while the server runs.
    fn can_switch(&self) -> bool {
        let other = Config { io: self.io(), policy: Policy::Off, ..Config::default() };
        self.has_keys() && QuitKey::is_possible() && other.check().is_ok()
    }

    /// Whether the current state is printed at intervals.
    pub(super) fn prints_stats(&self) -> bool {
        self.stats_every.is_some() || self.is_live()
    }

    fn has_metrics(&self) -> bool {
        #[cfg(feature = "live")]
        return self.metrics.is_some();
        #[cfg(not(feature = "live"))]
        false
    }

    /// All policies, with the limits of the options that they use.
    pub(super) fn policies(&self) -> Vec<Policy> {
        Backpressure::value_variants().iter().map(|policy| self.policy(*policy)).collect()
    }

    fn policy(&self, backpressure: Backpressure) -> Policy {
        let limit = self.queue_limit.unwrap_or(Config::QUEUE_LIMIT);
        match backpressure {
            Backpressure::Await => Policy::Await,
            Backpressure::Off => Policy::Off,
            Backpressure::Bounded => Policy::Bounded { limit },
            Backpressure::Watermark => {
                // One that exceeds the address space exceeds every limit too.
                let bytes = |size| usize::try_from(size).unwrap_or(usize::MAX);
                Policy::Watermark { limit, resume_at: self.resume_at.map_or(limit / 4, bytes) }
            }
            Backpressure::Drop => Policy::Drop { limit },
            Backpressure::Disconnect => Policy::Disconnect { limit, grace: self.grace.unwrap_or_default() },
            Backpressure::Budget => Policy::Budget { limit },
        }
    }

    fn io(&self) -> Io {
        match self.io {
            IoMode::Tasks => Io::Tasks,
            IoMode::Threads => Io::Threads,
            IoMode::OneThread => Io::OneThread,
            IoMode::Uring => Io::Uring,
        }
    }

    /// An option without effect is probably a mistake, so it is rejected.
    fn refuse_options_without_effect(&self) -> Result<(), Failure> {
        use Backpressure::{Bounded, Budget, Disconnect, Drop, Watermark};
        let (policy, io) =
            (("backpressure", self.policy(self.backpressure).name()), ("io", self.io().name()));
        // An option of a policy that a key can choose has an effect.
        let is_unused = |users: &[Backpressure]| !self.can_switch() && !users.contains(&self.backpressure);
        let (queues, names) = (
            [Bounded, Watermark, Drop, Disconnect, Budget],
            "bounded, watermark, drop, disconnect or budget",
        );
        let has_workers = matches!(self.io, IoMode::Tasks | IoMode::Uring);
        let is_useless = [
            ("queue-limit", self.queue_limit.is_some() && is_unused(&queues), policy, names),
            ("resume-at", self.resume_at.is_some() && is_unused(&[Watermark]), policy, "watermark"),
            ("grace", self.grace.is_some() && is_unused(&[Disconnect]), policy, "disconnect"),
            ("workers", self.workers.is_some() && !has_workers, io, "tasks or uring"),
        ];
        match is_useless.into_iter().find(|(_, is_useless, ..)| *is_useless) {
            Some((option, _, (other, value), needed)) => {
                let failure = Failure::usage(format_args!("--{option} has no effect with --{other} {value}"));
                Err(failure.hint(format_args!("it needs --{other} {needed}")))
            }
            None => Ok(()),
        }
    }
}

/// Long help of `--backpressure`: every policy with its cost.
fn policies() -> String {
    described::<Backpressure>(
        "Backpressure policy: what to do when a peer reads more slowly than replies are produced",
        "\nOne read is at most 64 KiB (128 KiB for a peer that reads as fast as it sends), or one frame if that is longer.\n",
        "await",
    )
}

/// Long help of `--io`.
fn io_models() -> String {
    described::<IoMode>("I/O model", "", "tasks")
}

/// `title` and the values of an option, each with its own help, then `note`. clap lists the values too, but in the short help
/// as well.
fn described<V: ValueEnum>(title: &str, note: &str, default: &str) -> String {
    let line = |value: PossibleValue| {
        format!("- {}: {}\n", value.get_name(), value.get_help().cloned().unwrap_or_default())
    };
    let lines: String = V::value_variants().iter().filter_map(V::to_possible_value).map(line).collect();
    format!("{title}\n\n{lines}{note}\n[default: {default}]")
}

/// Parses a rate that a connection can reach.
fn min_rate(text: &str) -> Result<u64, String> {
    at_most(rate(text)?, MinRate::HIGHEST, || format!("{} per second", Bytes(MinRate::HIGHEST)))
}

/// Parses a timeout that the server's clock can measure.
fn timeout(text: &str) -> Result<Duration, String> {
    let most = Config::LONGEST_TIMEOUT;
    at_most(positive_duration(text)?, most, || format!("{}d", most.as_secs() / 86_400))
}

fn at_most<T: PartialOrd>(value: T, most: T, name: impl FnOnce() -> String) -> Result<T, String> {
    if value <= most { Ok(value) } else { Err(format!("must be at most {}", name())) }
}

/// Long help of `--metrics`.
#[cfg(feature = "live")]
const METRICS: &str =
    concat!("Serve metrics of this server for Prometheus at ADDR\n\n", crate::metrics::help!(),);

/// Interval of the live status line, and of what metrics know from inside the server.
const STATS_EVERY: Duration = Duration::from_secs(1);

/// Long help of `--write-timeout`, with a table.
const WRITE_TIMEOUT: &str = "\
Disconnect peers that take no reply for this long

Off by default: then a peer that never reads stays connected, and the kernel buffers megabytes for it. The time runs while \
replies are pending and the peer's kernel acknowledges no byte (on Linux; elsewhere: while this host's kernel accepts no byte).

The kernel of a slow reader acknowledges data in jumps: it opens a closed receive window only when a good part of the \
receive buffer is free. Until then the peer looks the same as one that has stopped. So the timeout must exceed the time in \
which the slowest peer reads one jump. On Linux:

  receive buffer  jump, up to  30s is safe for peers that read
  default         128 KiB      5 KiB/s or more
  6 MiB           700 KiB      24 KiB/s or more
  32 MiB          2.3 MiB      80 KiB/s or more";

const EXAMPLES: &str = "\
Examples:
  echoctl serve                              flat memory, whatever a peer does
  echoctl serve --backpressure off           the bug: see it with echoctl flood
  echoctl serve --io threads                 one thread per connection
  echoctl serve --backpressure bounded --write-timeout 30s
      a queue of 1 MiB; disconnect peers that stop reading

With every policy, the kernel buffers megabytes more for each stalled peer, until --write-timeout or until the peer \
disconnects.";
