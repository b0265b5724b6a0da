//! Several recordings as one: those of machines with the same load, or those of both ends of connections.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use echoctl_record::{
    Bytes, ClockOffset, ConnectionLog, Ending, JoinError, Joined, Latency, MergeError, Queue, Queues, Run,
    Sample, Summary, count, join, merge, starts,
};
use echoctl_report::{Section, Table, tables};
use echoctl_verdict::flood::joined_reason;

use super::source;
use crate::exit::{Exit, Failure};

/// A run to draw, and what it was made of.
pub(super) struct Combined {
    pub(super) run: Run,
    /// Where its parts come from, and how they fit.
    pub(super) sentences: Vec<String>,
    /// One row per machine, if there are several with the same load.
    pub(super) machines: Option<Table>,
}

impl Combined {
    /// A single recording.
    pub(super) fn of_one(run: Run) -> Combined {
        Combined { run, sentences: Vec::new(), machines: None }
    }

    /// The recordings of several machines with the same load.
    ///
    /// # Errors
    /// If they are not of one load.
    pub(super) fn merged(files: &[PathBuf]) -> Result<Combined, Failure> {
        let runs = files.iter().map(|file| source::read(file)).collect::<anyhow::Result<Vec<Run>>>()?;
        let run = merge(&runs).map_err(|error| unmerged(files, error))?;
        let starts = starts(&runs);
        let apart = starts.iter().copied().fold(0.0, f64::max);
        let machines = count(runs.len() as u64, "machine");
        let together = match runs.iter().all(|run| run.started_at.is_some()) {
            true => format!(
                "{machines}, which started within {} of one another by their own clocks.",
                Latency(apart)
            ),
            false => format!("{machines}; not all recordings have the exact time of their start."),
        };
        let mut sentences = vec![together];
        if runs.iter().any(|other| other.target != runs[0].target) {
            sentences.push("The recordings have different targets.".to_owned());
        }
        let named: Vec<(String, &Run)> = files.iter().map(|file| name(file)).zip(&runs).collect();
        Ok(Combined { machines: Some(tables::machines(&named, &starts)), run, sentences })
    }

    /// The recordings of clients, and of a watch on the host of their server.
    ///
    /// # Errors
    /// If none of them or several are of a watch, or a client has no connection in common with it.
    pub(super) fn joined(files: &[PathBuf]) -> Result<Combined, Failure> {
        let runs = files.iter().map(|file| source::read(file)).collect::<anyhow::Result<Vec<Run>>>()?;
        let is_watch = |run: &Run| matches!(run.ending, Some(Ending::Watch { .. }));
        let (servers, clients): (Vec<_>, Vec<_>) =
            files.iter().zip(&runs).partition(|(_, run)| is_watch(run));
        let ([(server_file, server)], false) = (servers.as_slice(), clients.is_empty()) else {
            let why = anyhow!(
                "--join needs recordings of clients and one of a watch: {} are of a watch",
                servers.len()
            );
            return Err(Failure::new(Exit::Usage, why)
                .hint("on the server's host: echoctl watch PORT --record server.json"));
        };
        let mut sentences = Vec::new();
        let mut parts = Vec::new();
        for (file, client) in &clients {
            let joined = join(client, server).map_err(|error| unjoined(file, server_file, error))?;
            let [client_label, server_label] = labels([(file, client), (server_file, server)]);
            sentences.extend(parts_of(&client_label, &server_label, &joined));
            let mut run = joined.run;
            if let Some(Ending::Flood { summary }) = &mut run.ending {
                see_server(summary, client, &run.samples);
            }
            // On the server's clock, which all of them share.
            if let (Some(start), ClockOffset::Estimated { ahead: Some(ahead), .. }) =
                (run.started_at, joined.offset)
            {
                run.started_at = Some(start + ahead);
            }
            parts.push(run);
        }
        if [client_log(&runs), server.connections.as_ref()].into_iter().flatten().any(|log| log.is_incomplete)
        {
            let most = ConnectionLog::MOST_CONNECTIONS;
            sentences.push(format!("A recording has the counters of its first {most} connections only."));
        }
        let machines = (clients.len() > 1).then(|| {
            let named: Vec<(String, &Run)> = clients.iter().map(|(file, run)| (name(file), *run)).collect();
            tables::machines(&named, &starts(&parts))
        });
        let run = match parts.len() {
            1 => parts.remove(0),
            _ => merge(&parts).map_err(|error| unmerged(files, error))?,
        };
        Ok(Combined { run, sentences, machines })
    }

    /// What a page has about the parts.
    pub(super) fn section(&self) -> Option<Section> {
        if self.sentences.is_empty() {
            return None;
        }
        let heading = if self.machines.is_some() { "Machines" } else { "Both hosts" };
        let section =
            self.sentences.iter().fold(Section::new(heading), |section, text| section.paragraph(text));
        Some(self.machines.iter().cloned().fold(section, Section::table))
    }
}

fn client_log(runs: &[Run]) -> Option<&ConnectionLog> {
    runs.iter().filter_map(|run| run.connections.as_ref()).find(|log| log.is_incomplete)
}

/// Puts what both recordings show in place of what the client could not see.
fn see_server(summary: &mut Summary, client: &Run, samples: &[Sample]) {
    let has_seen =
        |value: fn(&Sample) -> Option<u64>| client.samples.iter().any(|sample| value(sample).is_some());
    if has_seen(|sample| sample.server_read) && has_seen(|sample| sample.server_memory) {
        return;
    }
    summary.reason = joined_reason(summary, samples);
    summary.inside_server = samples.iter().filter_map(|sample| Queues::of(sample)[Queue::Inside]).max();
}

/// What a joined recording of a client is made of.
fn parts_of(client: &str, server: &str, joined: &Joined) -> Vec<String> {
    let numbers = joined.connections;
    let all = match numbers.joined == numbers.of_client {
        true => format!("{} of {client} joined with {server}", count(numbers.joined as u64, "connection")),
        false => format!(
            "{} of the {} of {client} joined with {server}; the others are not in its recording",
            numbers.joined,
            count(numbers.of_client as u64, "connection")
        ),
    };
    let others = match numbers.of_server - numbers.joined {
        0 => String::new(),
        others => format!(", which has {} besides", count(others as u64, "connection")),
    };
    let translated =
        (numbers.translated > 0).then(|| "The server's address is translated on the way.".to_owned());
    let clocks = match joined.offset {
        ClockOffset::Estimated { ahead: Some(ahead), uncertainty } => {
            let direction = if ahead < 0.0 { "behind" } else { "ahead of" };
            let (ahead, uncertainty) = (Latency(ahead.abs()), Latency(uncertainty));
            format!(
                "The clock of {server} is {ahead} {direction} that of {client}, ± {uncertainty}, by the byte counters."
            )
        }
        ClockOffset::Estimated { ahead: None, uncertainty } => {
            format!("The recordings are aligned by their byte counters, ± {}.", Latency(uncertainty))
        }
        ClockOffset::Unknown => {
            "Too few bytes moved to compare the clocks, which are taken to agree.".to_owned()
        }
    };
    let skew = joined.run.samples.iter().filter_map(|sample| sample.skew).max().unwrap_or(0);
    let skewed = (skew > 0)
        .then(|| format!("While bytes move, a boundary between two queues may be off by {}.", Bytes(skew)));
    [Some(format!("{all}{others}.")), translated, Some(clocks), skewed].into_iter().flatten().collect()
}

fn unmerged(files: &[PathBuf], error: MergeError) -> Failure {
    let (MergeError::NoLoad(at) | MergeError::OtherKind(at) | MergeError::OtherTime(at, _)) = error;
    let file = files.get(at).map(|file| file.display().to_string()).unwrap_or_default();
    let failure = Failure::from(anyhow!("cannot merge {file}: {error}"));
    match error {
        MergeError::OtherTime(..) => failure,
        _ => failure
            .hint("echoctl compare A B draws two runs side by side; --join joins a client's and a watch's"),
    }
}

fn unjoined(client: &Path, server: &Path, error: JoinError) -> Failure {
    let is_foreign = matches!(error, JoinError::NothingInCommon { .. });
    let failure =
        Failure::from(anyhow!("cannot join {} and {}: {error}", client.display(), server.display()));
    match is_foreign {
        true => failure
            .hint("address translation (NAT) or a proxy between the hosts replaces the client's address"),
        false => failure,
    }
}

/// The names of two machines: their hosts. Where these are equal, as of containers, or unknown, their files.
fn labels(of: [(&Path, &Run); 2]) -> [String; 2] {
    let all = [
        of.map(|(file, run)| run.host.clone().unwrap_or_else(|| name(file))),
        of.map(|(file, _)| name(file)),
        of.map(|(file, _)| file.display().to_string()),
    ];
    let [.., paths] = all.clone();
    all.into_iter().find(|[one, other]| one != other).unwrap_or(paths)
}

/// The name of a file without its folder and extension.
fn name(file: &Path) -> String {
    file.file_stem().map_or_else(|| file.display().to_string(), |stem| stem.to_string_lossy().into_owned())
}
