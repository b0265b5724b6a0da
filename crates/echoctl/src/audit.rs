//! `echoctl audit`: a verdict on any TCP server.

mod failure;
mod junit;
mod output_files;
mod page;
mod presets;
mod record;
mod remedies;
mod summary;
mod text;

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use clap::ValueHint;
use echoctl_audit::{AuditConfig, AuditOutcome, Error, Launch, Permitted, Target};
use echoctl_observe::Process;
use echoctl_record::{Bytes, Sample, Verdict};

use crate::consent::Consent;
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt;
use crate::output::{Data, ignore_broken_pipe, json_line, note, offer_json, print_styled};
use crate::supervise;
use crate::values;
use crate::view::progress::Progress;
use failure::failure;
use output_files::OutputFiles;
use presets::StimulusArgs;
use summary::Summary;

/// Prove it: can a client that does not read exhaust this server? A verdict in seconds, for any TCP server
///
/// Attacks a running server, or starts one itself: the command is told its port as $PORT and wherever it says {port}, is
/// braked when its memory runs away, and is stopped with all that it started. The server is sent a stimulus and nothing of
/// its answers is read; at the end everything is. A verdict holds for its stimulus: choose the one that fits the protocol
/// with --shape, or write one with --script.
///
/// The best target is a fresh process (-- CMD) with data of its own: memory that a running server freed before is used
/// again without growing, and a shape may write what it reads (redis-get sets its key where there is none).
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The server to attack; with a command, where that will listen [default: 127.0.0.1:7007; a command: a free port]
    #[arg(value_name = "ADDR", value_hint = ValueHint::Other)]
    addr: Option<String>,

    /// A command that starts the server
    #[arg(last = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    command: Vec<OsString>,

    #[command(flatten)]
    stimulus: StimulusArgs,

    /// AuditOutcome over so many connections at once, to see whether the bound is one for each or one for all
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: u32,

    /// Say what the bound of one connection comes to for so many, kernel memory counted
    #[arg(long, value_name = "M")]
    project: Option<u64>,

    /// Send so many bytes before a server that takes them all is called unbounded; more where that proves nothing yet
    #[arg(long, default_value = "256MiB", value_name = "SIZE", value_parser = values::positive_size)]
    bytes: u64,

    /// Send so many bytes a second
    #[arg(long, default_value = "128MiB", value_name = "RATE", value_parser = values::rate)]
    rate: u64,

    /// AuditOutcome for at most so long; raise it for servers that are slow, or that hang up late
    #[arg(long = "for", default_value = "15s", value_name = "TIME", value_parser = attack_time)]
    max_duration: Duration,

    /// Watch the memory of this process, when the server's is not found by who listens
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,

    /// Give a command so long until it listens; raise it for one that compiles first
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = values::duration)]
    ready_timeout: Duration,

    /// Succeed (exit 0) if the verdict is this one, and only then
    #[arg(long, value_name = "VERDICT", value_parser = verdict)]
    expect: Option<Verdict>,

    /// Print one JSON object a line: samples, then the summary
    #[arg(long)]
    json: bool,

    /// Write the result as JUnit XML, which CI systems show as a test
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Write a page with the verdict, its evidence and charts
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Keep all that was recorded, as JSON
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    #[command(flatten)]
    consent: Consent,
}

pub(crate) fn run(mut args: Args) -> Outcome {
    if args.addr.is_none() {
        args.addr = args.stimulus.give_back_addr();
    }
    let host = args.addr.as_deref().unwrap_or(DEFAULT_ADDR);
    let (shape, script) = args.stimulus.script(host)?;
    if args.stimulus.show_script {
        writeln!(Data::new(), "{}", script.to_toml().trim_end())?;
        return Ok(Exit::Done);
    }
    if let Some(pid) = args.pid {
        Process::open(pid).map_err(|error| Failure::usage(format_args!("--pid: {error}")))?;
    }
    let files = OutputFiles::new(args.junit.as_deref(), args.report.as_deref(), args.record.as_deref())?;
    interrupt::catch_signals(STOPPING);
    let stop = interrupt::flag();
    let target = match args.command.as_slice() {
        [] => None,
        command => {
            let addr = args.addr.as_deref().map(|addr| args.consent.find(&supported(addr)?)).transpose()?;
            let launch = Launch {
                command: command.to_vec(),
                addr: addr.map(|target| target.first()),
                ready_timeout: args.ready_timeout,
                supervisor: supervise::words().context("cannot find the program's own path")?,
                owns_orphans: true,
            };
            Some(Target::start(&launch, stop).map_err(failure)?)
        }
    };
    let addr: SocketAddr = match &target {
        Some(target) => target.addr(),
        None => args.consent.find(&supported(host)?)?.first_listening()?,
    };
    if target.is_none() {
        // Each process of the server takes a few files to watch. What cannot be raised stays.
        let _ = echoctl_server::raise_descriptor_limit();
    }
    let mut pids: Vec<u32> = args.pid.into_iter().collect();
    pids.extend(target.iter().flat_map(Target::roots));
    let permitted = match &target {
        Some(target) => target.permitted(),
        None => args.consent.only_user(addr).map_or(Permitted::Any, Permitted::User),
    };
    let config = AuditConfig {
        connections: args.connections,
        budget: args.bytes,
        rate: args.rate,
        max_duration: args.max_duration,
        pids,
        permitted,
        is_fresh: target.is_some(),
        ..AuditConfig::new(addr, script)
    };
    let attack = attack(&config, args.json, stop).map_err(failure);
    let output = target.as_ref().map(Target::output).unwrap_or_default();
    let name = target.as_ref().map_or_else(|| addr.to_string(), |target| target.command().to_owned());
    // Stopped before anything is told, so that nothing runs on while somebody reads.
    if let Some(left) = target.and_then(Target::stop) {
        note(format_args!("echoctl: cannot stop {left}: still running, perhaps as another user"));
    }
    let attack = attack?;
    let summary = Summary::new(&attack, &name, addr, &shape, &config, args.project);
    let printed = match args.json {
        true => json_line("summary", &summary),
        false => print_styled(&text::text(&summary, &attack, &output)),
    };
    // Whatever became of the one, the other is done.
    let written = files.write(&summary, &attack, args.expect);
    ignore_broken_pipe(printed)?;
    written?;
    Ok(exit(summary.verdict, args.expect))
}

/// Attacks, and shows how that goes: samples as JSON, or a line on a terminal.
fn attack(config: &AuditConfig, json: bool, stop: &AtomicBool) -> Result<AuditOutcome, Error> {
    let progress = Progress::new(!json);
    let mut first = None;
    let mut watched = |sample: &Sample| {
        if json {
            // A reader that has gone: the summary will notice.
            let _ = offer_json("sample", sample);
        }
        let base = *first.get_or_insert(sample.server_memory.unwrap_or(0));
        let grown = sample.server_memory.map_or(0, |memory| memory.saturating_sub(base));
        progress.show(format!(
            "sent {}, taken {}, memory +{}, read {}",
            Bytes(sample.produced),
            Bytes(sample.server_read.or(sample.server_received).unwrap_or(0)),
            Bytes(grown),
            Bytes(sample.consumed)
        ));
    };
    config.attack(stop, &mut watched)
}

/// The exit code of a verdict, or of its agreement with what was expected.
fn exit(verdict: Verdict, expected: Option<Verdict>) -> Exit {
    match (expected, verdict) {
        (Some(expected), verdict) if expected == verdict => Exit::Done,
        (Some(_), _) => Exit::Failed,
        (None, Verdict::Bounded | Verdict::Disconnects | Verdict::Discards) => Exit::Done,
        (None, Verdict::Unbounded | Verdict::Spills | Verdict::Crashes) => Exit::Failed,
        (None, Verdict::Slow | Verdict::Inconclusive) => Exit::Inconclusive,
    }
}

/// An address that this program can speak to, or a plain word that it cannot.
fn supported(addr: &str) -> Result<String, Failure> {
    let refused =
        |what| Failure::usage(format_args!("{what} not supported: audit the plain TCP port behind it"));
    if addr.starts_with("unix:") || addr.starts_with('/') {
        return Err(refused("Unix sockets are"));
    }
    if ["tls:", "https:", "wss:"].iter().any(|scheme| addr.starts_with(scheme)) {
        return Err(refused("TLS is"));
    }
    Ok(addr.to_owned())
}

/// A time for an attack, of which twenty samples a second are kept.
fn attack_time(text: &str) -> Result<Duration, String> {
    let time = values::duration(text)?;
    if time > LONGEST_ATTACK { Err("too long: at most 1h".to_owned()) } else { Ok(time) }
}

fn verdict(text: &str) -> Result<Verdict, String> {
    const ALL: [Verdict; 8] = [
        Verdict::Bounded,
        Verdict::Disconnects,
        Verdict::Discards,
        Verdict::Spills,
        Verdict::Unbounded,
        Verdict::Crashes,
        Verdict::Slow,
        Verdict::Inconclusive,
    ];
    ALL.into_iter().find(|verdict| verdict.name() == text).ok_or_else(|| {
        let names = ALL.map(Verdict::name).join(", ");
        format!("no verdict: use one of {names}")
    })
}

/// The longest attack: its samples take some 40 MiB then, and each is judged by all before it.
const LONGEST_ATTACK: Duration = Duration::from_secs(3600);

/// The longest that stopping a target takes: it is asked to end, waited for, and killed with all that it started.
const STOPPING: Duration = Duration::from_secs(3);

const DEFAULT_ADDR: &str = "127.0.0.1:7007";

const EXAMPLES: &str = "\
Verdicts: bounded, disconnects, discards (exit 0); unbounded, spills, crashes (exit 1); slow, inconclusive (exit 3).

Examples:
  echoctl audit 127.0.0.1:7007                                     a running echo server
  echoctl audit --shape raw -- node server.js                      start it, attack it, stop it; it reads $PORT
  echoctl audit --shape http-get /events 127.0.0.1:8080            one request with a large or endless answer
  echoctl audit --request 'PING\\r\\n' --repeat -- ./server {port}   anything else
  echoctl audit --shape redis-get k --show-script > mine.toml      a script to edit
  echoctl audit --script mine.toml --expect bounded --junit audit.xml -- ./server";
