//! `echoctl audit`: attacks a server and prints a verdict.

mod alternative;
mod answer;
mod args;
mod carrier;
mod chosen;
mod client;
mod command;
mod destination;
mod evidence;
mod failure;
mod http_args;
mod junit;
mod page;
mod projection;
mod record;
mod refused;
mod remedies;
mod sarif;
mod server;
mod source_file;
mod start;
mod stimulus;
mod suggestion;
mod summary;
mod text;
mod tls_args;
mod url;
mod verdict_files;
mod words;

use std::io::Write;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use echoctl_audit::{AuditConfig, AuditOutcome, Error, FrozenClient};
use echoctl_observe::Process;
use echoctl_record::{Bytes, Class, Sample, Verdict};

use crate::exit::{Exit, Failure, Outcome};
use crate::output::file::check_written_after_result;
use crate::output::{self, Data, ignore_broken_pipe, json_line, offer_json, print_styled};
use crate::terminal::interrupt;
use crate::terminal::progress::Progress;
pub(crate) use args::Args;
use chosen::Chosen;
use destination::Destination;
use page::page;
use record::record;
use server::Server;
use summary::Summary;

pub(crate) fn run(args: &Args) -> Outcome {
    output::set_plain(args.plain);
    // Whatever is wrong with the options is reported before anything is started.
    let destination = args.destination()?;
    let stimulus = args.chosen(&destination)?;
    // The port of a command is chosen when it is started.
    let script = stimulus.script(&destination.host(None));
    args.tls.check(&script)?;
    if args.show_script {
        writeln!(Data::new(), "{}", script.to_toml().trim_end())?;
        return Ok(Exit::Done);
    }
    if let Some(pid) = args.pid {
        Process::open(pid).map_err(|error| Failure::usage(format_args!("--pid: {error}")))?;
    }
    args.machines.check()?;
    let files = args.recording.open(args.machines.index(), &args.verdict.named())?;
    let verdict_files = args.verdict.open()?;
    interrupt::catch_signals(STOPPING);
    let attacked = match attack(args, &destination, &stimulus, interrupt::flag()) {
        Ok(Some(attacked)) => attacked,
        Ok(None) => return Ok(Exit::Interrupted),
        Err(failure) => {
            verdict_files.save_failure(&stimulus.name(), &failure, args);
            return Err(failure);
        }
    };
    let summary = Summary::new(&attacked, stimulus, args.project);
    let printed = match args.json {
        true => json_line("summary", &summary),
        false => print_styled(&text::text(&summary, &attacked.output)),
    };
    // All are attempted, even if one fails.
    let mut run = record(&summary);
    args.machines.complete(&mut run);
    let written = verdict_files.save(&summary, args).chain(files.save(&run, || page(&summary, &run)));
    let written = check_written_after_result(written);
    ignore_broken_pipe(printed)?;
    written?;
    Ok(exit(summary.verdict, &args.expect))
}

/// A server that was attacked.
#[derive(Debug)]
struct Attacked {
    config: AuditConfig,
    outcome: AuditOutcome,
    /// The command that started it, or its address.
    target: String,
    /// What it printed last.
    output: String,
}

/// Starts or finds the server, attacks it at the time that was asked for, and stops it if it was started. `None` if an exit was
/// requested before that time.
fn attack(
    args: &Args,
    destination: &Destination,
    stimulus: &Chosen,
    stop: &AtomicBool,
) -> Result<Option<Attacked>, Failure> {
    let mut client = args.client.frozen()?;
    let mut is_first = true;
    loop {
        let server = Server::start_or_find(args, destination, stop)?;
        // A server may take longer to start than the machines are apart.
        if std::mem::take(&mut is_first) {
            match args.machines.wait() {
                Ok(false) => {}
                ended => {
                    server.stop();
                    return ended.map(|_| None);
                }
            }
        }
        let config = server.attack(args, destination, stimulus.script(server.host()));
        let outcome = watched(&config, client.as_ref(), args, stop);
        let (target, is_own) = (server.name(), server.is_own());
        // Stopped before the result is printed, so that it does not run while the user reads.
        let output = server.stop();
        let earlier = match (&client, &outcome) {
            (Some(client), Err(error)) if is_own => client::earlier(client, error),
            _ => None,
        };
        if earlier.is_none() {
            let outcome = outcome.map_err(|error| stimulus.failure(error))?;
            return Ok(Some(Attacked { config, outcome, target, output }));
        }
        client = earlier;
    }
}

/// Attacks, and prints progress: samples as JSON, or one line on a terminal.
fn watched(
    config: &AuditConfig,
    client: Option<&FrozenClient>,
    args: &Args,
    stop: &AtomicBool,
) -> Result<AuditOutcome, Error> {
    let progress = if args.json { Progress::hidden() } else { Progress::new() };
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
    match client {
        Some(client) => config.attack_with(client, stop, &mut watched),
        None => config.attack(stop, &mut watched),
    }
}

/// The exit code of a verdict; with `--expect`, whether it is one of those expected.
fn exit(verdict: Verdict, expected: &[Verdict]) -> Exit {
    match expected {
        [] => match verdict.class() {
            Class::Safe => Exit::Done,
            Class::Unsafe => Exit::Failed,
            Class::Unknown => Exit::Inconclusive,
        },
        expected if expected.contains(&verdict) => Exit::Done,
        _ => Exit::Failed,
    }
}

/// The longest that stopping a target takes: SIGTERM, a grace period, then SIGKILL to all its processes.
const STOPPING: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_the_exit_code_of_its_class() {
        for verdict in Verdict::ALL {
            let expected = match verdict.class() {
                Class::Safe => Exit::Done,
                Class::Unsafe => Exit::Failed,
                Class::Unknown => Exit::Inconclusive,
            };
            assert_eq!(exit(verdict, &[]), expected, "{verdict}");
        }
    }

    #[test]
    fn only_expected_verdicts_succeed_if_some_are_expected() {
        let expected = [Verdict::Unbounded, Verdict::Slow];
        for verdict in Verdict::ALL {
            let succeeds = expected.contains(&verdict);
            assert_eq!(
                exit(verdict, &expected),
                if succeeds { Exit::Done } else { Exit::Failed },
                "{verdict}"
            );
        }
    }
}
