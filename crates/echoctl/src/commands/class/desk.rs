//! Takes the moments of a class, and hands each of them to the page, the terminal, the reader of JSON, and the recording.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use echoctl_live::Questions;
use echoctl_observe::{Error, thread_processor_time};
use echoctl_record::{ClassLog, ClassState, Ending, WatchSummary};
use echoctl_server::Stats;
use tokio::sync::watch;

use super::Args;
use super::observer::{Moment, Observer};
use super::status::status_line;
use super::summary::ClassSummary;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::recorder::Recorder;
use crate::output::{self, Styled, ignore_broken_pipe, json_line, offer_json, offer_note, terminal_size};
use crate::terminal::interrupt;
use crate::terminal::quit_key::QuitKey;

/// Where the moments of a class go.
pub(super) struct Desk {
    observer: Observer,
    questions: Questions,
    show: watch::Sender<Arc<ClassState>>,
    style: Style,
    summary: ClassSummary,
    watched: WatchSummary,
    recorder: Recorder,
    log: ClassLog,
    failure: Option<Error>,
}

/// Form of the output.
enum Style {
    Json,
    /// A line now and then, and when the next is due.
    Lines(Instant),
    /// A line that is redrawn in place.
    Live(QuitKey),
}

impl Desk {
    /// The desk of a server at `addr`.
    ///
    /// # Errors
    /// If the file of the recording cannot be written.
    pub(super) fn new(
        args: &Args,
        addr: SocketAddr,
        observer: Observer,
        questions: Questions,
        show: watch::Sender<Arc<ClassState>>,
    ) -> Result<Desk, Failure> {
        let mut recorder = Recorder::new(&args.recording, addr.to_string(), None)?;
        recorder.set_start(Instant::now());
        let style = match output::is_live() {
            _ if args.json => Style::Json,
            true => Style::Live(QuitKey::listen()),
            false => Style::Lines(Instant::now()),
        };
        let (summary, watched) = (ClassSummary::default(), WatchSummary::default());
        let (log, failure) = (ClassLog::default(), None);
        Ok(Desk { observer, questions, show, style, summary, watched, recorder, log, failure })
    }

    /// Takes moments until an exit is requested.
    pub(super) fn run(mut self) -> Desk {
        let mut pause = Duration::ZERO;
        while !interrupt::wait(pause) {
            let (began, used) = (Instant::now(), thread_processor_time());
            match self.observer.observe() {
                Ok(moment) => {
                    self.hand_out(moment);
                    let cost =
                        thread_processor_time().zip(used).map(|(now, before)| now.saturating_sub(before));
                    let cost = cost.unwrap_or_else(|| began.elapsed());
                    pause = INTERVAL.max(cost * MIN_PAUSES).saturating_sub(began.elapsed());
                }
                Err(error) => {
                    self.failure = Some(error);
                    interrupt::request_exit();
                    break;
                }
            }
        }
        self
    }

    fn hand_out(&mut self, moment: Moment) {
        self.recorder.add_connections(|log| self.observer.log(&moment, log));
        self.recorder.add(moment.sample);
        self.summary.add(&moment.state);
        let watched = &mut self.watched;
        watched.seconds = moment.sample.t;
        watched.max_connections = watched.max_connections.max(moment.sample.connections);
        watched.max_queued = watched.max_queued.max(moment.sample.in_flight());
        watched.max_kernel_memory = watched.max_kernel_memory.max(moment.sample.kernel_memory);
        let state = Arc::new(moment.state);
        if self.recorder.is_recording() {
            self.log.push(ClassState { question: self.questions.current(), ..ClassState::clone(&state) });
        }
        self.print(&state);
        self.show.send_replace(state);
    }

    /// Prints a moment. It never waits; an error means that the reader has gone, which ends the class.
    fn print(&mut self, state: &ClassState) {
        match &mut self.style {
            Style::Json => drop(offer_json("state", state)),
            Style::Lines(next) => {
                let now = Instant::now();
                if now >= *next {
                    *next = now + LINE_INTERVAL;
                    offer_note(format_args!("{:.0} s: {}", state.point.t, status_line(state, usize::MAX)));
                }
            }
            Style::Live(quit) => {
                let hint = if quit.listens() { "  q quits" } else { "" };
                let room = terminal_size().0.saturating_sub(1 + hint.len());
                let line = Styled::from(status_line(state, room)).then(Styled::weak(hint));
                output::offer_status(&line, &Styled::default());
            }
        }
    }

    /// Prints the summary, and writes the recording.
    pub(super) fn finish(mut self, totals: &Stats) -> Outcome {
        self.summary.finish(totals);
        let printed = match self.style {
            Style::Json => json_line("summary", &self.summary),
            Style::Lines(_) | Style::Live(_) => {
                output::flush_notes();
                output::print(self.summary.sentences().join("\n") + &output::missed_notes())
            }
        };
        let watch = WatchSummary { connections_seen: totals.accepted, ..self.watched };
        let class = self.log;
        // The file is written even if stdout is closed.
        let written = self.recorder.finish(|run| {
            run.ending = Some(Ending::Watch { watch });
            run.class = Some(class);
        });
        ignore_broken_pipe(printed)?;
        written?;
        match self.failure {
            Some(error) => Err(error.into()),
            None => Ok(Exit::Done),
        }
    }
}

/// Between two moments: as often as the page shows one.
const INTERVAL: Duration = Duration::from_millis(500);

/// The least pause, as a multiple of the processor time that a moment takes: observing takes 5 % of a core at most.
const MIN_PAUSES: u32 = 20;

/// Between two lines where no line is redrawn.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
