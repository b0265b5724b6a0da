//! `echoctl watch`: queues, windows and memory of a live server, measured without sending to it.

mod args;
mod assessment;
mod clock;
mod door;
mod explain;
mod first;
mod json;
mod listeners;
mod listening;
mod map;
#[cfg(feature = "live")]
mod metrics;
mod processes;
mod row;
mod schedule;
#[cfg(feature = "tui")]
mod screen;
mod target;
mod text;
mod view;
mod worst;

use std::env;
use std::io;
use std::time::{Duration, Instant};

use echoctl_observe::{
    ConnectionTracker, Observation, ProcessTree, Selection, ServerAddr, SocketOwners, raise_descriptor_limit,
    thread_processor_time,
};
use echoctl_record::{Ending, Roles, Sample, WatchSummary};

use crate::address;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::recorder::Recorder;
use crate::output::{self, ignore_broken_pipe, json_line, note, offer_json, offer_line};
use crate::terminal::interrupt;
pub(crate) use args::Args;
use assessment::{Assessed, Assessment};
use explain::Explainer;
use json::{SampleEvent, WatchingEvent};
use processes::Processes;
use schedule::Schedule;
#[cfg(feature = "tui")]
use screen::Reading;
use text::{CulpritLines, WatchText};
use view::View;
use worst::Worst;

pub(crate) fn run(args: Args) -> Outcome {
    output::set_plain(args.plain);
    if let Some(given) = &args.map {
        let texts: Vec<String> = args.targets.iter().chain(given).cloned().collect();
        return map::run(&texts, &args);
    }
    // Each process of the server needs three open files. Where the limit cannot be raised, fewer processes are visible.
    let _ = raise_descriptor_limit();
    #[cfg(feature = "live")]
    if let Some(addr) = args.metrics {
        return metrics::run(&args, addr);
    }
    let default =
        || env::var(address::VARIABLE).ok().filter(|_| args.targets.is_empty() && args.pid.is_none());
    let roles = if args.outbound { Roles::Opened } else { Roles::Served };
    let texts: Vec<String> = args.targets.iter().cloned().chain(default()).collect();
    let target = target::find(&texts, args.pid, roles)?;
    let tree = match ProcessTree::new(target.pids()) {
        Err(error) if args.pid.is_some() => return Err(error.into()),
        // The connections of a server that exits at this moment are still shown.
        tree => tree.ok().filter(|_| !target.owners.is_empty()),
    };
    let selection = match roles {
        Roles::Served => Selection::Served(target.addrs.clone()),
        Roles::Opened => Selection::Opened(target.pids().collect()),
    };
    let tracker = ConnectionTracker::new(target.tables(), &selection, tree)
        .map_err(|error| Failure::new(Exit::Inconclusive, anyhow::Error::from(error)))?;
    let mut recorder = Recorder::new(&args.recording, target::recorded(&target), None)?;
    recorder.set_start(tracker.start_time());
    // Before the view hides the cursor, which the signal handler shows again.
    interrupt::catch_signals(Duration::ZERO);
    let view = if args.json {
        output::end_with_reader();
        let addr = target.addrs.iter().map(ServerAddr::to_string).collect();
        json_line(
            "watching",
            &WatchingEvent {
                addr,
                outbound: args.outbound,
                pid: target.pids().next(),
                processes: target.to_string(),
                door: door::name(tracker.door()),
            },
        )?;
        View::Json
    } else if let Some(view) = View::live(&target, tracker.door())? {
        // For a recording that is saved when a key is pressed.
        recorder.collect();
        view
    } else {
        output::end_with_reader();
        note(format_args!("watching {}", target::title(&target)));
        if let Some(sentence) = door::sentence(tracker.door()) {
            note(sentence);
        }
        View::Lines(CulpritLines::new(args.explain.then(|| Explainer::of(&target, tracker.door()))))
    };
    let mut schedule = Schedule::new(tracker.start_time(), args.every, args.duration);
    // What finding the server took is not the watch's.
    schedule.used(thread_processor_time());
    let watch = Watch {
        text: WatchText::new(roles),
        tracker,
        owners: SocketOwners::default(),
        roles,
        top: args.top as usize,
        worst: Worst::default(),
        watched: WatchSummary::default(),
        first_memory: None,
        recorder,
        view,
    };
    watch.run(schedule)
}

/// A watch in progress.
struct Watch {
    tracker: ConnectionTracker,
    owners: SocketOwners,
    roles: Roles,
    /// Number of connections that are listed.
    top: usize,
    worst: Worst,
    text: WatchText,
    /// What is known so far.
    watched: WatchSummary,
    /// The memory of the server in the first sample that shows it.
    first_memory: Option<u64>,
    recorder: Recorder,
    view: View,
}

/// What follows a wait.
enum Next {
    Sample,
    End(Exit),
}

impl Watch {
    /// Samples until the time is over, the server exits, or a signal arrives.
    fn run(mut self, mut schedule: Schedule) -> Outcome {
        loop {
            let due = schedule.due(Instant::now());
            let observation = self.sample()?;
            if let Err(error) = self.show(&observation, due.line) {
                // The reader of our output is gone. The files are written all the same.
                self.finish(&observation, Exit::Done)?;
                return Err(error.into());
            }
            if due.is_over || server_exited(&observation).is_some() {
                return self.finish(&observation, Exit::Done);
            }
            schedule.used(thread_processor_time());
            if let Next::End(exit) = self.wait(&observation, schedule.wait(Instant::now()))? {
                return self.finish(&observation, exit);
            }
        }
    }

    /// Takes a sample, and keeps of it what is recorded, summed up or drawn later.
    fn sample(&mut self) -> Result<Observation, echoctl_observe::Error> {
        let observation = self.tracker.sample()?;
        // The server need not be an echo server, so bytes inside it are unknown.
        let recorded = Sample { is_echo: Some(false), ..observation.sample };
        self.add_to_summary(&recorded);
        self.recorder.add(recorded);
        self.recorder.add_connections(|log| self.tracker.log(&observation, log));
        // The kernel counts no bytes that pass through a Unix-domain socket.
        let moved = self.tracker.moved().filter(|_| self.tracker.unix_connections().is_none());
        self.text.add(&observation.sample, moved);
        Ok(observation)
    }

    fn add_to_summary(&mut self, sample: &Sample) {
        self.first_memory = self.first_memory.or(sample.server_memory);
        let growth =
            sample.server_memory.zip(self.first_memory).map(|(now, first)| now.saturating_sub(first));
        let watched = &mut self.watched;
        watched.seconds = sample.t;
        watched.max_connections = watched.max_connections.max(sample.connections);
        watched.max_queued = watched.max_queued.max(sample.in_flight());
        watched.max_kernel_memory = watched.max_kernel_memory.max(sample.kernel_memory);
        watched.server_memory_growth = watched.server_memory_growth.max(growth);
    }

    fn show(&mut self, observation: &Observation, line_is_due: bool) -> io::Result<()> {
        let sample = &observation.sample;
        let (now, is_live) = (Instant::now(), self.view.is_live());
        // Only the instrument shows all.
        let others = if is_live { usize::MAX } else { self.top.max(WatchSummary::MAX_TOP) };
        let assessment = Assessment::of(&self.tracker, now, others);
        let worst = assessment.worst(WatchSummary::MAX_TOP);
        let listed = if line_is_due && !is_live { assessment.worst(self.top) } else { Vec::new() };
        let all = assessment.all().filter(|_| is_live);
        let named = worst.iter().chain(&listed).chain(all).flat_map(Assessed::inodes);
        let listening = self.tracker.listeners().map(|listener| listener.inode);
        self.owners.update(named.chain(listening));
        let mut processes = Processes::new(&self.owners);
        self.worst.add(&worst, now, &mut processes);
        let listeners = listeners::all(&self.tracker, &self.owners);
        listeners::keep_fullest(&mut self.watched.listeners, &listeners);
        let suspended: Vec<u32> = self.tracker.tree().into_iter().flat_map(ProcessTree::suspended).collect();
        self.watched.server_suspended = suspended.first().copied();
        match &mut self.view {
            #[cfg(feature = "tui")]
            View::Live(view) => view.show(Reading {
                sample: *sample,
                rows: assessment.rows(assessment.all(), &mut processes),
                roles: self.roles,
                suspended,
                listeners,
                seen: self.tracker.connections_seen(),
                traffic: self.text.traffic(),
                trend: self.text.memory_trend(sample),
                clock: clock::time_of_day(),
            }),
            View::Json if line_is_due => {
                let event = SampleEvent {
                    sample,
                    unix_time: clock::unix_time(),
                    suspended: &suspended,
                    causes: assessment.causes(),
                    top: &assessment.rows(&listed, &mut processes),
                    listeners: &listeners,
                };
                offer_json("sample", &event)
            }
            View::Lines(culprits) if line_is_due => {
                let line = self.text.line(&clock::time_of_day(), sample, &listeners, &suspended);
                let rows = assessment.rows(&listed, &mut processes);
                offer_line(line + &culprits.after(&rows, assessment.culprits()))
            }
            _ => Ok(()),
        }
    }

    /// Waits for the next sample; with a live view, handles keys meanwhile.
    #[cfg_attr(
        not(feature = "tui"),
        expect(clippy::unnecessary_wraps, unused_variables, reason = "only the view can fail")
    )]
    fn wait(&mut self, last: &Observation, timeout: Duration) -> io::Result<Next> {
        #[cfg(feature = "tui")]
        if let View::Live(view) = &mut self.view {
            let until = Instant::now() + timeout;
            return Ok(match view.wait(until)? {
                screen::Next::Sample => Next::Sample,
                screen::Next::Interrupted => Next::End(Exit::Interrupted),
                screen::Next::Quit => Next::End(Exit::Done),
                screen::Next::Save => {
                    let saved = self.save(last);
                    if let View::Live(view) = &mut self.view {
                        view.tell(saved)?;
                    }
                    return self.wait(last, until.saturating_duration_since(Instant::now()));
                }
            });
        }
        Ok(if interrupt::wait(timeout) { Next::End(output::requested_exit()) } else { Next::Sample })
    }

    /// Writes a recording of the watch so far to a new file, and returns what is to be said about it.
    #[cfg(feature = "tui")]
    fn save(&self, last: &Observation) -> String {
        let name = format!("echoctl-watch-{}.json", clock::stamp());
        let watch = self.summary(last);
        let saved = self.recorder.save_copy(name.as_ref(), |run| run.ending = Some(Ending::Watch { watch }));
        match saved {
            Ok(()) => format!("saved {name}, for echoctl report"),
            Err(error) => format!("{error:#}"),
        }
    }

    /// What has been seen so far.
    fn summary(&self, last: &Observation) -> WatchSummary {
        WatchSummary {
            connections_seen: self.tracker.connections_seen(),
            server_exited: server_exited(last),
            top: self.worst.clone().into_rows(),
            ..self.watched.clone()
        }
    }

    fn finish(mut self, last: &Observation, exit: Exit) -> Outcome {
        let watched = self.summary(last);
        let printed = if let View::Json = self.view {
            json_line("summary", &watched)
        } else {
            // Restores the terminal.
            self.view = View::Json;
            text::print_summary(&watched, self.roles)
        };
        // The files are written even if stdout is closed.
        let written = self.recorder.finish(|run| run.ending = Some(Ending::Watch { watch: watched }));
        ignore_broken_pipe(printed)?;
        written?;
        Ok(exit)
    }
}

/// The process whose exit ended the server, if it has ended. Connections close all the time: none says which process served it.
fn server_exited(observation: &Observation) -> Option<u32> {
    observation.exited?.of_server(false)
}
