//! Prints the events of `serve` as they happen: as JSON on stdout, or as text on stderr.
//!
//! The server's threads call it, so it never waits for a reader: what a slow one misses is counted (see [`output`]).

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use echoctl_observe::MemoryShare;
use echoctl_server::{Config, Event, Stats};
use serde_json::json;

use super::Args;
use super::json::{ClosedEvent, ListeningEvent, PolicyEvent, StatsEvent, SummaryEvent};
use super::switch::Switch;
use super::text::{change_sentence, closing_sentence, greeting, sentence, status_line};
use crate::output::{self, Styled, ignore_broken_pipe, json_line, offer_json, offer_note, terminal_size};

/// Prints the events of a server.
pub(super) struct Printer {
    style: Style,
    /// Whether stats are printed. Otherwise they are only remembered.
    prints_stats: bool,
    config: Config,
    /// Memory limit, with the reason for a default.
    memory: MemoryShare,
    /// Previous stats, for rates and metrics.
    last: Mutex<Stats>,
    switch: Switch,
    /// Whether the live view names the keys.
    shows_keys: AtomicBool,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// One JSON object per line on stdout.
    Json,
    /// Sentences on stderr.
    Lines,
    /// Sentences on stderr, and a status line that is redrawn in place.
    Live,
}

impl Printer {
    pub(super) fn new(args: &Args, config: Config, memory: MemoryShare, switch: Switch) -> Printer {
        let style = match args.is_live() {
            _ if args.json => Style::Json,
            true => Style::Live,
            false => Style::Lines,
        };
        let prints_stats = args.prints_stats();
        let (last, shows_keys) = (Mutex::default(), AtomicBool::new(false));
        Printer { style, prints_stats, config, memory, last, switch, shows_keys }
    }

    /// Prints an event. It never waits.
    pub(super) fn print(&self, event: &Event) {
        match (self.style, event) {
            // An error means that the reader has gone, which ends the server: see `run`.
            (_, Event::Stats(stats)) if !self.prints_stats => *self.last() = *stats,
            (Style::Json, event) => drop(self.print_json(event)),
            (_, Event::Listening(listening)) => offer_note(greeting(listening, &self.config, self.memory)),
            (style, Event::Stats(stats)) => self.print_status(style, stats),
            (_, event) => sentence(event).into_iter().for_each(offer_note),
        }
    }

    /// Names the keys in the live view from now on, or does not.
    pub(super) fn show_keys(&self, shows: bool) {
        self.shows_keys.store(shows, Relaxed);
    }

    /// A key was pressed: changes the policy and prints that, if it is a key for another policy.
    pub(super) fn press(&self, key: char) {
        let Some(change) = self.switch.press(key) else { return };
        let stats = self.switch.stats();
        match self.style {
            // An error means the same.
            Style::Json => drop(offer_json("policy", &PolicyEvent::of(change, &stats))),
            Style::Lines | Style::Live => offer_note(change_sentence(change)),
        }
    }

    /// Prints the totals and waits until they are written. It is not an error if the reader has gone.
    ///
    /// # Errors
    /// If they cannot be written for another reason.
    pub(super) fn finish(&self, totals: &Stats) -> io::Result<()> {
        ignore_broken_pipe(match self.style {
            Style::Json => json_line("summary", &SummaryEvent::of(totals)),
            Style::Lines | Style::Live => {
                output::flush_notes();
                output::print(format_args!("{}{}", closing_sentence(totals), output::missed_notes()))
            }
        })
    }

    fn print_status(&self, style: Style, stats: &Stats) {
        let mut last = self.last();
        let line = |columns| status_line(stats, &last, self.switch.policy(), columns);
        match style {
            Style::Live => {
                let room = terminal_size().0.saturating_sub(1);
                let shows_keys = self.shows_keys.load(Relaxed);
                let keys = if shows_keys { self.switch.line(room) } else { Styled::default() };
                output::offer_status(&line(room).into(), &keys);
            }
            _ => offer_note(line(usize::MAX)),
        }
        *last = *stats;
    }

    fn last(&self) -> MutexGuard<'_, Stats> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print_json(&self, event: &Event) -> io::Result<()> {
        match event {
            Event::Listening(listening) => {
                offer_json("listening", &ListeningEvent::of(listening, &self.config))
            }
            Event::Stats(stats) => {
                *self.last() = *stats;
                offer_json("stats", &StatsEvent::of(stats))
            }
            Event::Closed { peer, reason, totals } => {
                offer_json("closed", &ClosedEvent::of(*peer, reason, *totals))
            }
            Event::ShuttingDown { connections, drain } => {
                offer_json("draining", &json!({ "connections": connections, "timeout": drain.as_secs_f64() }))
            }
            Event::AcceptPaused { error } => {
                offer_json("accept_paused", &json!({ "error": error.to_string() }))
            }
        }
    }
}
