//! `echoctl watch --map`: the processes of this host and their connections, and which process absorbs backpressure.

mod json;
mod summary;
mod text;

use std::io;
use std::time::{Duration, Instant};

use echoctl_observe::{ProcessMapper, raise_descriptor_limit};
use echoctl_record::{Pressure, ProcessMap, Roles};
use echoctl_report::{map_page, wrap};
use echoctl_verdict::pressure::pressure;

use super::Args;
use super::schedule::Timer;
use super::target;
use crate::commands::report::FOOTER;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::file::{OutputFile, check_written_after_result};
use crate::output::{
    Styled, end_with_reader, ignore_broken_pipe, is_live, json_line, note, offer_json, offer_line, print,
    requested_exit, terminal_size,
};
use crate::terminal::interrupt;
use crate::terminal::quit_key::QuitKey;
use crate::terminal::screen::Screen;
use json::MapEvent;
use summary::MapSummary;

/// Maps the host, or what the processes are connected with that `texts` name, until the time is over or a signal arrives.
///
/// # Errors
/// Those of a target of `watch`.
pub(super) fn run(texts: &[String], args: &Args) -> Outcome {
    let wanted = match texts {
        [] => None,
        texts => Some(target::find(texts, None, Roles::Opened)?),
    };
    let title = text::title(wanted.as_ref());
    // Each process in the map needs three open files. Where the limit cannot be raised, the memory of fewer is visible.
    let _ = raise_descriptor_limit();
    let mapper =
        ProcessMapper::new().map_err(|error| Failure::new(Exit::Inconclusive, anyhow::Error::from(error)))?;
    let page = args.recording.report_file()?;
    // Before the view hides the cursor, which the signal handler shows again.
    interrupt::catch_signals(Duration::ZERO);
    let view = if args.json {
        end_with_reader();
        View::Json
    } else if is_live() {
        View::Live(Screen::new(), QuitKey::listen())
    } else {
        end_with_reader();
        note(format_args!("mapping {title}"));
        View::Lines
    };
    let pids = wanted.map_or(Vec::new(), |wanted| wanted.pids().collect());
    let watch = MapWatch { mapper, title, pids, view, page, summary: MapSummary::default() };
    watch.run(args.every, args.duration)
}

/// A map in progress.
struct MapWatch {
    mapper: ProcessMapper,
    /// What is mapped.
    title: String,
    /// The processes whose surroundings are mapped; none: the whole host.
    pids: Vec<u32>,
    view: View,
    page: Option<OutputFile>,
    summary: MapSummary,
}

/// Form of the output.
enum View {
    Json,
    Lines,
    Live(Screen, QuitKey),
}

impl MapWatch {
    fn run(mut self, every: Duration, duration: Option<Duration>) -> Outcome {
        let start = Instant::now();
        let mut line = Timer::new(start + every, every);
        loop {
            let begin = Instant::now();
            let (map, pressures) = self.sample()?;
            let cost = begin.elapsed();
            let is_over = duration.is_some_and(|duration| start.elapsed() >= duration);
            if let Err(error) = self.show(&map, &pressures, line.is_due(begin)) {
                // The reader of our output is gone. The page is written all the same.
                self.finish(&map, &pressures, Exit::Done)?;
                return Err(error.into());
            }
            if is_over {
                return self.finish(&map, &pressures, Exit::Done);
            }
            let left = duration.map_or(Duration::MAX, |duration| duration.saturating_sub(start.elapsed()));
            let interval = (cost * SAMPLE_SHARE).clamp(SAMPLE_INTERVAL, MAX_SAMPLE_INTERVAL);
            if interrupt::wait(interval.min(left)) {
                return self.finish(&map, &pressures, requested_exit());
            }
        }
    }

    /// The part of the map that is wanted, and the pressure in it.
    fn sample(&mut self) -> Result<(ProcessMap, Vec<Pressure>), Failure> {
        let map = self.mapper.sample()?;
        let map = if self.pids.is_empty() { map.without_idle() } else { map.around(&self.pids) };
        let pressures = pressure(&map);
        self.summary.add(&map, &pressures);
        Ok((map, pressures))
    }

    fn show(&mut self, map: &ProcessMap, pressures: &[Pressure], line_is_due: bool) -> io::Result<()> {
        match &mut self.view {
            View::Live(screen, quit) => {
                let (columns, rows) = terminal_size();
                let hint = if quit.listens() { "q quits\n" } else { "" };
                let rows = rows.saturating_sub(hint.lines().count());
                screen
                    .draw(text::screen(&self.title, map, pressures, (columns, rows)).then(Styled::weak(hint)))
            }
            View::Json if line_is_due => offer_json("map", &MapEvent::new(map, pressures)),
            View::Lines if line_is_due => offer_line(text::lines(map, pressures)),
            _ => Ok(()),
        }
    }

    fn finish(mut self, map: &ProcessMap, pressures: &[Pressure], exit: Exit) -> Outcome {
        let printed = match &mut self.view {
            View::Json => json_line("map", &MapEvent::new(map, pressures))
                .and_then(|()| json_line("summary", &self.summary)),
            View::Lines => print(text::drawing(map, pressures, terminal_size()))
                .and_then(|()| print(text::summary(&self.summary))),
            View::Live(screen, _) => {
                let (columns, rows) = terminal_size();
                screen.draw_last(text::screen(&self.title, map, pressures, (columns, rows)));
                // Shows the cursor, and restores the terminal's input.
                self.view = View::Lines;
                print(wrap(&text::summary(&self.summary), columns.saturating_sub(1)).join("\n"))
            }
        };
        let page = self.page.map(|file| file.save(map_page(map, pressures).footer(FOOTER).to_string()));
        // The page is written even if stdout is closed.
        let written = check_written_after_result(page);
        ignore_broken_pipe(printed)?;
        written?;
        Ok(exit)
    }
}

/// Interval between samples: short enough for a live view, and for several samples in the second after which a connection counts as
/// held back.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

/// Samples take at most one part in this many of a core, on a host with ten thousands of connections more: the second is short
/// enough to see whether a connection is held back.
const SAMPLE_SHARE: u32 = 20;
const MAX_SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
