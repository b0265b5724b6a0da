//! The options of `echoctl audit`.

use std::ffi::OsString;
use std::time::Duration;

use clap::ValueHint;
use clap::builder::TypedValueParser;
use echoctl_audit::{AuditConfig, DEFAULT_BUDGET, DEFAULT_MAX_DURATION, DEFAULT_RATE, Script};
use echoctl_observe::ServerAddr;
use echoctl_record::Verdict;

use super::chosen::Chosen;
use super::client::ClientArgs;
use super::destination::Destination;
use super::start::Start;
use super::stimulus::StimulusArgs;
use super::tls_args::TlsArgs;
use super::verdict_files::VerdictArgs;
use crate::address;
use crate::consent::Consent;
use crate::exit::Failure;
use crate::machines::MachineArgs;
use crate::output::recorder::RecordArgs;
use crate::values::{self, Named};

/// Test whether a client that does not read can exhaust a server
///
/// Attacks a running server at ADDR, or starts one with -- CMD. The command gets its port as $PORT and in place of {port}; the
/// attack ends early if its memory runs away, and all processes that it started are stopped afterwards.
///
/// The attack sends a stimulus and reads no replies while it watches the server. Other clients ask meanwhile and afterwards, if
/// there is a question for them. At the end it reads everything that is pending, and compares an echo with what was sent.
///
/// A verdict holds only for its stimulus: choose the preset that fits the protocol, or write a script.
///
/// Audit a fresh process (-- CMD) with data of its own if you can. Memory that a running server freed earlier is reused without
/// growing, and a preset may write data (redis-get sets its key if it does not exist).
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Server to attack, or where CMD will listen: host:port, port or URL
    ///
    /// host:port, a port on loopback, unix:PATH, or a URL [env: ECHOCTL_ADDR] [default: 127.0.0.1:7007]. A URL also chooses what is
    /// sent: http:// and https:// one GET, ws:// and wss:// WebSocket messages, h2c:// one GET over HTTP/2, grpc:// and grpcs:// a
    /// call, redis://host/KEY GETs of a key. tls:// sends what --preset, --script or --request say, inside TLS.
    ///
    /// With -- CMD the default is a free port, which {port} in a URL stands for; unix: is a free path, which CMD gets as $SOCKET
    /// and in place of {socket}. The environment variable has no effect then.
    #[arg(value_name = "ADDR", value_hint = ValueHint::Other)]
    pub(super) addr: Option<String>,

    /// Command that starts the server; it must listen on $PORT
    #[arg(last = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub(super) command: Vec<OsString>,

    #[command(flatten, next_help_heading = "Load")]
    pub(super) stimulus: StimulusArgs,

    #[command(flatten, next_help_heading = "Load")]
    pub(super) client: ClientArgs,

    /// Number of attacking connections
    ///
    /// More than one shows whether the server's limit is per connection or global.
    #[arg(short, long, default_value_t = 1, value_name = "N", value_parser = values::number::<u32>(1..=1000),
          help_heading = "Load")]
    pub(super) connections: u32,

    /// Bytes to send
    ///
    /// A server that accepts all of them and buffers them is unbounded. More is sent if the evidence is inconclusive.
    #[arg(short = 'n', long, default_value = values::size_text(DEFAULT_BUDGET), value_name = "SIZE", value_parser = values::positive_size,
          hide_short_help = true, help_heading = "Load")]
    pub(super) bytes: u64,

    /// Bytes per second over all connections
    #[arg(long, default_value = values::size_text(DEFAULT_RATE), value_name = "RATE", value_parser = values::rate, hide_short_help = true,
          help_heading = "Load")]
    pub(super) rate: u64,

    /// Duration of the attack [default: at most 15s]
    ///
    /// By default the attack ends as soon as the evidence suffices: a server that has stalled is judged after 3.5 seconds. Give a
    /// time, of at most 1h, for a server that produces or reads slowly, or that disconnects a slow client only after some time.
    /// The attack then ends early only if the server disconnects or proves to be harmful.
    #[arg(short = 't', long = "for", value_name = "TIME", value_parser = attack_time, help_heading = "Load")]
    pub(super) duration: Option<Duration>,

    /// Receive buffer size, SO_RCVBUF [default: sized by the kernel]
    ///
    /// Of each attacking connection. A small one, such as 4KiB, fills after little output, so that a server that produces slowly
    /// has to wait for the client sooner. The kernel doubles the value.
    #[arg(long, value_name = "SIZE", value_parser = values::size_up_to(usize::MAX), hide_short_help = true, help_heading = "Load")]
    pub(super) rcvbuf: Option<usize>,

    #[command(flatten, next_help_heading = "Target")]
    pub(super) tls: TlsArgs,

    /// Process whose memory to watch
    ///
    /// Needed if the server's processes cannot be found by their listening socket: those of another user (unless you are root),
    /// or in a container.
    #[arg(long, value_name = "PID", hide_short_help = true, help_heading = "Target")]
    pub(super) pid: Option<u32>,

    /// How long to wait until CMD listens
    ///
    /// Raise it for a command that compiles first.
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = values::duration, hide_short_help = true,
          help_heading = "Target")]
    pub(super) ready_timeout: Duration,

    /// Print the script as TOML and exit
    #[arg(long, hide_short_help = true, help_heading = "Output")]
    pub(super) show_script: bool,

    /// Exit 0 if and only if the verdict is one of these
    ///
    /// Several are separated by commas. With any other verdict, slow and inconclusive included, the exit code is 1.
    #[arg(long, value_name = "VERDICT,...", value_parser = verdict(), value_delimiter = ',', hide_possible_values = true,
          help_heading = "Output")]
    pub(super) expect: Vec<Verdict>,

    /// Extrapolate the memory of one connection to N connections
    ///
    /// The result counts the memory of the server and of the kernel. Without it, that of a bounded server is extrapolated to 1,000.
    #[arg(long, value_name = "N", hide_short_help = true, help_heading = "Output")]
    pub(super) project: Option<u64>,

    /// Print JSON, one object per line
    ///
    /// Samples, then the summary.
    #[arg(short = 'J', long, help_heading = "Output")]
    pub(super) json: bool,

    /// Plain ASCII lines: no live view, no colour
    #[arg(long, conflicts_with = "json", hide_short_help = true, help_heading = "Output")]
    pub(super) plain: bool,

    #[command(flatten, next_help_heading = "Output")]
    pub(super) verdict: VerdictArgs,

    #[command(flatten, next_help_heading = "Output")]
    pub(super) recording: RecordArgs,

    #[command(flatten)]
    pub(super) machines: MachineArgs,

    #[command(flatten)]
    pub(super) consent: Consent,
}

impl Args {
    /// The address as given on the command line, or for a running server in the environment.
    pub(super) fn addr(&self) -> Option<String> {
        let from_environment = || {
            let addr = std::env::var_os(address::VARIABLE).filter(|_| self.command.is_empty())?;
            Some(addr.to_string_lossy().into_owned())
        };
        self.addr.clone().or_else(from_environment)
    }

    /// Where the server is, or will be.
    ///
    /// # Errors
    /// Exit 2 if the address is invalid.
    pub(super) fn destination(&self) -> Result<Destination, Failure> {
        let gets_socket = self.command.iter().any(|word| word.to_string_lossy().contains("{socket}"));
        match self.addr() {
            None if gets_socket => Ok(Destination::FreshUnix),
            given => Destination::parse(given.as_deref(), self.start()),
        }
    }

    /// Whether the server runs already.
    pub(super) fn start(&self) -> Start {
        if self.command.is_empty() { Start::Running } else { Start::ByCommand }
    }

    /// What is sent to a server there, or the client that sends it.
    ///
    /// # Errors
    /// As [`StimulusArgs::chosen`].
    pub(super) fn chosen(&self, to: &Destination) -> Result<Chosen, Failure> {
        match self.client.command() {
            Some(command) => Chosen::client(command.text(), to, self.start()),
            None => self.stimulus.chosen(to, self.start()),
        }
    }

    /// The server as given: its command, or its address.
    pub(super) fn target(&self) -> String {
        match &self.command[..] {
            [] => self.addr().unwrap_or_else(|| address::DEFAULT.to_owned()),
            words => words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "),
        }
    }

    /// The attack on the server at `addr`.
    pub(super) fn config(&self, addr: ServerAddr, script: Script) -> AuditConfig {
        AuditConfig {
            connections: self.connections,
            budget: self.bytes,
            rate: self.rate,
            min_duration: self.duration,
            max_duration: self.duration.unwrap_or(DEFAULT_MAX_DURATION),
            receive_buffer: self.rcvbuf,
            pids: self.pid.into_iter().collect(),
            ..AuditConfig::new(addr, script)
        }
    }
}

/// Parses the duration of an attack.
fn attack_time(text: &str) -> Result<Duration, String> {
    let time = values::duration(text)?;
    if time > LONGEST_ATTACK { Err("too long: at most 1h".to_owned()) } else { Ok(time) }
}

/// Parses the name of a verdict.
fn verdict() -> impl TypedValueParser<Value = Verdict> {
    let parse = |text: &str| {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == text).ok_or_else(|| {
            let names = Verdict::ALL.map(Verdict::name).join(", ");
            format!("no such verdict: expected {names}")
        })
    };
    Named { names: || Verdict::ALL.map(|verdict| verdict.name().to_owned()).into(), parse }
}

/// The longest attack. Its samples take about 40 MiB then, and each one is judged together with all earlier ones.
const LONGEST_ATTACK: Duration = Duration::from_secs(3600);

const EXAMPLES: &str = "\
Verdicts, each with its exit code:
  0  bounded       the server stops reading or producing: the client has to wait
  0  disconnects   the server disconnects a client that does not read
  0  discards      the server reads everything and drops what is not read
  1  unbounded     the server buffers what is not read, without a limit
  1  spills        the server writes what the client does not read to disk
  1  starves       the server stops serving other clients
  1  corrupts      the server loses, repeats or changes bytes of its replies
  1  crashes       the server exits or is killed
  3  slow          too little moved within the time limit
  3  inconclusive  the evidence does not show whether the server is safe

Examples:
  echoctl audit 7007                                audit a running echo server
  echoctl audit --preset raw -- node server.js      start a server and audit it
  echoctl audit --preset http-get:/events 8080      one request, endless reply
  echoctl audit --request 'PING\\r\\n' 6379           any other protocol
  echoctl audit --preset redis-get:k --show-script > my.toml
  echoctl audit --script my.toml --expect bounded -- ./server
  echoctl audit --client 'curl -sN localhost:{port}/' -- node server.js
                                                    freeze a real client";

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches};
    use echoctl_audit::Preset;

    use super::*;

    impl Args {
        /// The arguments that these words are parsed to.
        pub(in crate::commands::audit) fn of(words: &[&str]) -> Args {
            let command = Args::augment_args(Command::new("audit")).no_binary_name(true);
            Args::from_arg_matches(&command.get_matches_from(words)).unwrap()
        }
    }

    fn config(options: &[&str]) -> AuditConfig {
        Args::of(options)
            .config(ServerAddr::Tcp(([127, 0, 0, 1], 7007).into()), Preset::Raw.script("localhost"))
    }

    #[test]
    fn the_defaults_of_the_options_are_those_of_the_attack() {
        let config = config(&[]);

        let default = AuditConfig::new(config.addr, Preset::Raw.script("localhost"));
        assert_eq!((config.connections, config.budget), (default.connections, default.budget));
        assert_eq!((config.rate, config.receive_buffer), (default.rate, default.receive_buffer));
        assert_eq!((config.min_duration, config.max_duration), (default.min_duration, default.max_duration));
    }

    #[test]
    fn each_option_reaches_the_attack() {
        let options =
            ["-c", "3", "-n", "2MiB", "--rate", "1MiB", "-t", "9s", "--rcvbuf", "4KiB", "--pid", "5", "7007"];

        let config = config(&options);

        assert_eq!((config.connections, config.budget, config.rate), (3, 2 << 20, 1 << 20));
        let nine_seconds = Duration::from_secs(9);
        assert_eq!((config.min_duration, config.max_duration), (Some(nine_seconds), nine_seconds));
        assert_eq!(config.receive_buffer, Some(4 << 10));
        assert_eq!(config.pids, [5]);
    }

    #[test]
    fn several_verdicts_may_be_expected() {
        for options in
            [&["--expect", "bounded,disconnects"][..], &["--expect=bounded", "--expect=disconnects"]]
        {
            assert_eq!(Args::of(options).expect, [Verdict::Bounded, Verdict::Disconnects]);
        }
    }

    #[test]
    fn an_attack_of_more_than_an_hour_is_refused() {
        assert!(attack_time("1h").is_ok());
        assert!(attack_time("3601s").is_err());
    }
}
