//! The options of `echoctl serve`, and what they come to.

use std::net::SocketAddr;
use std::time::Duration;

use clap::ValueEnum;
use echoctl_observe::MemoryShare;
use echoctl_proto::Framing;
use echoctl_record::Bytes;
use echoctl_server::{Config, Io, Policy};

use crate::address;
use crate::exit::Failure;
use crate::values::{duration, positive_duration, positive_size};

/// Run the echo server: each frame comes back; what happens to a peer that does not read is yours to choose
///
/// On a terminal it shows its connections, bytes and memory once a second. Ctrl-C ends it: what has arrived is answered
/// first. Exit code 1 when it cannot listen, as where another program has the port.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Listen here: host:port, or a port of loopback; port 0 lets the kernel choose one
    #[arg(long, value_parser = address::to_listen, default_value_t = Config::ADDR, env = "ECHOCTL_ADDR", value_name = "ADDR")]
    addr: SocketAddr,

    /// Do this when replies are made faster than the peer reads them
    #[arg(long, value_enum, default_value_t = Backpressure::Await, value_name = "POLICY")]
    backpressure: Backpressure,

    /// Cut frames so: lines end with a newline; u16 and u32 are led by a big-endian length; raw is what one read gave
    #[arg(long, default_value_t = Framing::Lines, value_name = "lines|u16|u32|raw")]
    framing: Framing,

    /// Maximum payload of a frame; a longer one closes its connection. --memory-limit lowers it where it is less
    #[arg(long, value_parser = positive_size, default_value = "1MiB", value_name = "SIZE")]
    max_frame: u64,

    /// Let this many bytes of replies wait for a peer (for all peers together with budget) [default: 1MiB]
    #[arg(long, value_parser = positive_size, value_name = "SIZE")]
    queue_limit: Option<u64>,

    /// With watermark: read again when the queue has fallen to this [default: a quarter of --queue-limit]
    #[arg(long, value_parser = crate::values::size, value_name = "SIZE")]
    resume_at: Option<u64>,

    /// With disconnect: bear a queue over its limit for so long [default: 0s]
    #[arg(long, value_parser = duration, value_name = "TIME")]
    grace: Option<Duration>,

    /// Reset the connection that holds most when all together hold more bytes than this, in queues and frame buffers
    /// [default: a quarter of the memory left, at most 1GiB]
    ///
    /// What is left to this process: the least of its control groups (both versions, every level), RLIMIT_AS, RLIMIT_DATA
    /// and the machine. The default is at least 16MiB.
    #[arg(long, value_parser = positive_size, value_name = "SIZE")]
    memory_limit: Option<u64>,

    /// Wait for the sockets so
    #[arg(long, value_enum, default_value_t = IoMode::Tasks, value_name = "MODE")]
    io: IoMode,

    /// Number of runtime threads, with --io tasks; at most 1024 [default: one per core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=Config::MOST_WORKERS as i64), value_name = "N")]
    workers: Option<u16>,

    /// Maximum number of open connections, at most 1048576; others wait in the kernel's backlog
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=Config::MOST_CONNECTIONS as i64), default_value_t = Config::MAX_CONNECTIONS as u32, value_name = "N")]
    max_connections: u32,

    /// Disconnect a peer after this long without input or pending replies [default: never]
    #[arg(long, value_parser = timeout, value_name = "TIME")]
    idle_timeout: Option<Duration>,

    /// Disconnect a peer that accepts no byte for this long while replies are pending [default: never]
    #[arg(long, value_parser = timeout, value_name = "TIME")]
    write_timeout: Option<Duration>,

    /// Ask the kernel for send buffers of this size [default: the kernel's own, which grow as needed]
    #[arg(long, value_parser = kernel_buffer, value_name = "SIZE")]
    sndbuf: Option<u64>,

    /// Ask the kernel for receive buffers of this size [default: the kernel's own, which grow as needed]
    #[arg(long, value_parser = kernel_buffer, value_name = "SIZE")]
    rcvbuf: Option<u64>,

    /// At the end, wait so long for peers to take what they are owed
    #[arg(long, value_parser = duration, default_value = "5s", value_name = "TIME")]
    drain: Duration,

    /// Interval between status lines [default: 1s on a terminal, otherwise never]
    #[arg(long, value_parser = positive_duration, value_name = "TIME")]
    stats_every: Option<Duration>,

    /// Print one JSON object a line on stdout: listening, stats, closed, summary
    #[arg(long)]
    json: bool,

    /// End when standard input ends, so that the server does not outlive whoever started it
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

/// The policies, each with what a slow peer costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Backpressure {
    /// No queue: do not read again before the reply is written. Holds one read a connection [also: on]
    #[value(alias = "on")]
    Await,
    /// A queue without a limit: the bug. Holds all that a peer sends and does not read [also: unbounded]
    #[value(alias = "unbounded")]
    Off,
    /// A queue; stop reading at its limit, go on when there is room. Holds the limit and one read a connection
    Bounded,
    /// A queue; stop reading at its limit, go on at --resume-at. Holds the limit and one read a connection
    Watermark,
    /// A queue; drop and count the newest whole frame that does not fit. Holds the limit and one read a connection
    Drop,
    /// A queue; disconnect a peer over the limit for --grace. Holds the limit and one read a connection
    Disconnect,
    /// Queues that share one limit; each connection is sure of one read. Holds the limit in total, and a read each
    Budget,
}

/// Who waits for the sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IoMode {
    /// A task a connection on a thread a core (epoll)
    Tasks,
    /// A thread a connection, blocking: backpressure for free
    Threads,
    /// One thread polls all sockets and then writes blockingly: one stalled peer stops everybody, on purpose
    OneThread,
}

impl Args {
    /// The settings they come to.
    pub(crate) fn config(&self, memory: MemoryShare) -> Result<Config, Failure> {
        self.refuse_what_means_nothing().map_err(Failure::usage)?;
        Ok(Config {
            addr: self.addr,
            framing: self.framing,
            max_frame: bytes(self.max_frame),
            policy: self.policy(),
            io: self.io(),
            memory_limit: memory.limit,
            max_connections: self.max_connections as usize,
            idle_timeout: self.idle_timeout,
            write_timeout: self.write_timeout,
            send_buffer: self.sndbuf.map(bytes),
            receive_buffer: self.rcvbuf.map(bytes),
            drain: self.drain,
            stats_every: self.stats_every.or(self.is_live().then_some(LIVE_EVERY)),
        })
    }

    /// The memory limit, with its reason where it was not given.
    pub(crate) fn memory(&self) -> MemoryShare {
        self.memory_limit.map_or_else(MemoryShare::own, MemoryShare::fixed)
    }

    /// Threads of the runtime, if the number was given.
    pub(crate) fn workers(&self) -> Option<usize> {
        self.workers.map(usize::from)
    }

    pub(crate) fn json(&self) -> bool {
        self.json
    }

    pub(crate) fn until_stdin_ends(&self) -> bool {
        self.until_stdin_ends
    }

    /// Whether a line on the terminal is redrawn, rather than lines logged.
    pub(crate) fn is_live(&self) -> bool {
        !self.json && crate::output::is_live()
    }

    fn policy(&self) -> Policy {
        let limit = self.queue_limit.map_or(Config::QUEUE_LIMIT, bytes);
        match self.backpressure {
            Backpressure::Await => Policy::Await,
            Backpressure::Off => Policy::Off,
            Backpressure::Bounded => Policy::Bounded { limit },
            Backpressure::Watermark => {
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
        }
    }

    /// An option that would have no effect is more likely a mistake than a wish.
    fn refuse_what_means_nothing(&self) -> Result<(), String> {
        let policy = self.policy().name();
        if self.queue_limit.is_some() && matches!(self.backpressure, Backpressure::Await | Backpressure::Off)
        {
            return Err(format!("--queue-limit means nothing with --backpressure {policy}, which has none"));
        }
        if self.resume_at.is_some() && self.backpressure != Backpressure::Watermark {
            return Err(format!("--resume-at is for --backpressure watermark, not {policy}"));
        }
        if self.grace.is_some() && self.backpressure != Backpressure::Disconnect {
            return Err(format!("--grace is for --backpressure disconnect, not {policy}"));
        }
        if self.workers.is_some() && self.io != IoMode::Tasks {
            return Err(format!("--workers is for --io tasks: --io {} has its own threads", self.io()));
        }
        Ok(())
    }
}

/// The size of a kernel buffer.
fn kernel_buffer(text: &str) -> Result<u64, String> {
    let most = Config::LARGEST_KERNEL_BUFFER as u64;
    positive_size(text).and_then(|size| {
        if size <= most { Ok(size) } else { Err(format!("must be at most {}", Bytes(most))) }
    })
}

/// A time that the server's own clock can measure.
fn timeout(text: &str) -> Result<Duration, String> {
    let most = Config::LONGEST_TIMEOUT;
    positive_duration(text).and_then(|time| match time <= most {
        true => Ok(time),
        false => Err(format!("must be at most {}", humantime::format_duration(most))),
    })
}

/// Sizes that do not fit this machine's addresses cannot be reached on it either.
fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// How often the live line is redrawn.
const LIVE_EVERY: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  echoctl serve                              flat memory, whatever a peer does
  echoctl serve --backpressure off           the bug: see it with echoctl flood
  echoctl serve --framing raw --io threads   blocking calls, a thread each
  echoctl serve --backpressure bounded --queue-limit 4MiB --write-timeout 30s

A stalled peer also holds megabytes in the kernel, under every policy, until --write-timeout or its own end.";
