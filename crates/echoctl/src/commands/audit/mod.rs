//! `echoctl audit`: attacks a TCP server and prints a verdict.

mod args;
mod failure;
mod junit;
mod output_files;
mod page;
mod presets;
mod record;
mod remedies;
mod summary;
mod text;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use echoctl_audit::{AuditConfig, AuditOutcome, Error, Permitted};
use echoctl_observe::Process;
use echoctl_record::{Bytes, Sample, Verdict};
use echoctl_trial::spawn::{Launch, Target};

use crate::address;
use crate::cli::called;
use crate::commands::supervise;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, Data, ignore_broken_pipe, json_line, offer_json, print_styled};
use crate::terminal::interrupt;
use crate::terminal::progress::Progress;
pub(crate) use args::Args;
use failure::failure;
use output_files::OutputFiles;
use summary::Summary;

pub(crate) fn run(args: &Args) -> Outcome {
    let given_addr = args.addr();
    let given = given_addr.as_deref().unwrap_or(address::DEFAULT);
    // Of a command without an address, the port is known when it has been chosen.
    let is_later = !args.command.is_empty() && given_addr.is_none();
    let (preset, mut script) =
        args.stimulus.script(&if is_later { "localhost".to_owned() } else { host(given) })?;
    if args.show_script {
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
            let addr = given_addr.as_deref().map(|addr| args.consent.find(&supported(addr)?)).transpose()?;
            let launch = Launch {
                command: command.to_vec(),
                addr: addr.map(|target| target.first()),
                ready_timeout: args.ready_timeout,
                supervisor: supervise::words().context("cannot determine the path of this program")?,
                owns_orphans: true,
            };
            Some(Target::start(&launch, stop).map_err(|error| failure(error.into()))?)
        }
    };
    let addr: SocketAddr = match &target {
        Some(target) => target.addr(),
        None => args
            .consent
            .find(&supported(given)?)
            .map_err(|failure| command_hint(failure, given))?
            .first_listening()?,
    };
    if is_later {
        script = args.stimulus.script(&host(&addr.port().to_string()))?.1;
    }
    if target.is_none() {
        // Watching a process takes a few file descriptors. If the limit cannot be raised, it stays as it is.
        let _ = echoctl_server::raise_descriptor_limit();
    }
    let mut pids: Vec<u32> = args.pid.into_iter().collect();
    pids.extend(target.iter().flat_map(Target::roots));
    let permitted = match &target {
        Some(target) => Permitted::Target(target.descendants()),
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
    let attack = attack(&config, args, stop).map_err(|error| args.stimulus.failure(error));
    let output = target.as_ref().map(Target::output).unwrap_or_default();
    let name = target.as_ref().map_or_else(|| addr.to_string(), |target| target.command().to_owned());
    // Stopped before the result is printed, so that it does not run while the user reads.
    if let Some(left) = target.and_then(Target::stop) {
        output::warning(format_args!("cannot stop {left}: still running, perhaps as another user"));
    }
    let attack = attack?;
    let label = args.stimulus.label(&preset);
    let summary = Summary::new(&attack, &name, addr, &preset, label, &config, args.project);
    let printed = match args.json {
        true => json_line("summary", &summary),
        false => print_styled(&text::text(&summary, &attack, &output, args.plain)),
    };
    // Both are attempted, even if the first fails.
    let written = files.write(&summary, &attack, args.expect);
    ignore_broken_pipe(printed)?;
    written?;
    Ok(exit(summary.verdict, args.expect))
}

/// Attacks, and prints progress: samples as JSON, or one line on a terminal.
fn attack(config: &AuditConfig, args: &Args, stop: &AtomicBool) -> Result<AuditOutcome, Error> {
    let progress = Progress::new(!args.json && !args.plain);
    let mut first = None;
    let mut watched = |sample: &Sample| {
        if args.json {
            // If the reader has gone, printing the summary fails.
            let _ = offer_json("sample", sample);
        }
        let growth = sample.server_memory.map(|memory| memory.saturating_sub(*first.get_or_insert(memory)));
        progress.show(format!(
            "sent {}, read by the server {}, {}received {}",
            Bytes(sample.produced),
            Bytes(sample.server_read.or(sample.server_received).unwrap_or(0)),
            growth.map_or(String::new(), |growth| format!("memory +{}, ", Bytes(growth))),
            Bytes(sample.consumed)
        ));
    };
    config.attack(stop, &mut watched)
}

/// The exit code of a verdict; with `--expect`, whether it is the expected one.
fn exit(verdict: Verdict, expected: Option<Verdict>) -> Exit {
    match (expected, verdict) {
        (Some(expected), verdict) if expected == verdict => Exit::Done,
        (Some(_), _) => Exit::Failed,
        (None, Verdict::Bounded | Verdict::Disconnects | Verdict::Discards) => Exit::Done,
        (None, Verdict::Unbounded | Verdict::Spills | Verdict::Crashes) => Exit::Failed,
        (None, Verdict::Slow | Verdict::Inconclusive) => Exit::Inconclusive,
    }
}

/// The host that requests name, for an address as given: a bare port is one of this host.
fn host(addr: &str) -> String {
    let port = addr.strip_prefix(':').unwrap_or(addr);
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port { format!("localhost:{port}") } else { addr.to_owned() }
}

/// Adds a hint if an address looks like a program.
fn command_hint(failure: Failure, addr: &str) -> Failure {
    match std::path::Path::new(addr).is_file() {
        true => failure.hint(format_args!("to start a server: {} audit -- {addr}", called())),
        false => failure,
    }
}

/// Refuses addresses of transports that are not supported.
fn supported(addr: &str) -> Result<String, Failure> {
    let refused = |what: &str| {
        let failure = Failure::usage(format_args!("{what} not supported"));
        failure.hint("audit the plain TCP port behind it")
    };
    if addr.starts_with("unix:") || addr.starts_with('/') {
        return Err(refused("Unix sockets are"));
    }
    if ["tls:", "https:", "wss:"].iter().any(|scheme| addr.starts_with(scheme)) {
        return Err(refused("TLS is"));
    }
    Ok(addr.to_owned())
}

/// The longest that stopping a target takes: SIGTERM, a grace period, then SIGKILL to all its processes.
const STOPPING: Duration = Duration::from_secs(3);
