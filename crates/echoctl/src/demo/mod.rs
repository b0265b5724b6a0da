//! `echoctl demo`: the main job in one command.
//!
//! The experiment itself, its words and its page are `echoctl_lab::demo`; here is how it is asked for and shown.

mod live;
mod result;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use echoctl_lab::demo::{self, Moment, Plan, story};
use echoctl_lab::kit::wrap;
use echoctl_observe::available_memory;
use echoctl_record::{Bytes, Sample, Summary};
use serde::Serialize;

use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt;
use crate::output::{self, note, offer_note};
use crate::output_file::{OutputFile, check_written_after_result};
use crate::prompt;
use live::Live;

/// Show it: two servers, one line of code apart, and a client that stops reading.
///
/// Starts two echo servers on this machine, one without backpressure and one with it, and gives both the same work: a
/// client that sends 64 MiB a second, reads the replies for 3 s, does not read for 5 s, and reads again until all
/// 512 MiB are back. Takes about 10 s (at most 30) and 320 MiB of memory, or an eighth of it where less than 544 MiB is left (as with
/// --small); sends nothing off this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Begin at once, without asking what will happen.
    #[arg(long, short)]
    yes: bool,

    /// Take an eighth of the memory and the rate: for a weak or shared machine (64 MiB in all, 8 MiB a second).
    #[arg(long)]
    small: bool,

    /// Write the page with the chart and the figures to FILE [default: echoctl-demo.html].
    #[arg(long, value_name = "FILE", conflicts_with = "no_report")]
    report: Option<PathBuf>,

    /// Write no page.
    #[arg(long)]
    no_report: bool,

    /// Print samples and a summary as JSON, one object a line, and ask nothing.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The plan that was asked for, or a smaller one that fits into the memory that is left.
    ///
    /// # Errors
    /// Exit 3 when not even the small plan fits.
    fn plan(&self) -> Result<Plan, Failure> {
        let plan = if self.small { Plan::SMALL } else { Plan::FULL };
        let left = available_memory();
        let Some(fitting) = plan.fitting(left) else {
            let (needs, left) = (Bytes(Plan::SMALL.needs()), Bytes(left.unwrap_or(0)));
            return Err(Failure::new(
                Exit::Inconclusive,
                anyhow!("run the demo: needs {needs} of memory, {left} left"),
            ));
        };
        if fitting != plan {
            let (needs, left) = (Bytes(plan.needs()), Bytes(left.unwrap_or(0)));
            note(format_args!("Running the small demo: the full one needs {needs} of memory, {left} left."));
        }
        Ok(fitting)
    }

    /// The file of the page, if there is to be one. That it cannot be written is told before the run: one that was asked for
    /// ends the demo, for the usual one it runs all the same.
    fn page(&self) -> anyhow::Result<Page> {
        let path = match &self.report {
            _ if self.no_report => return Ok(Page { path: None, file: Ok(None) }),
            Some(path) => path.as_path(),
            None => Path::new(DEFAULT_PAGE),
        };
        let file = OutputFile::new(path).map(Some);
        if let Err(error) = &file {
            let hint = "hint: choose another file with --report, or none with --no-report";
            if self.report.is_some() {
                bail!("{error:#}\n{hint}");
            }
            output::warning(format_args!("{error:#}: the demo runs without its page\n{hint}"));
        }
        Ok(Page { path: Some(path.to_owned()), file })
    }
}

/// Where the page goes.
struct Page {
    path: Option<PathBuf>,
    /// An error for a page that cannot be written; `None` where there is to be none.
    file: anyhow::Result<Option<OutputFile>>,
}

impl Page {
    /// Writes it. Returns where it is, if it is there, and whether all went well.
    fn write(self, outcome: &demo::Outcome) -> (Option<PathBuf>, anyhow::Result<()>) {
        let written = self.file.and_then(|file| match file {
            Some(file) => file.write(|to| to.write_all(demo::page(outcome).as_bytes())).map(drop),
            None => Ok(()),
        });
        (self.path.filter(|_| written.is_ok()), written)
    }
}

pub(crate) fn run(args: Args) -> Outcome {
    let page = args.page()?;
    let plan = args.plan()?;
    let guess = introduce(&args, &plan)?;
    let program =
        std::env::current_exe().context("cannot find the program's own path, to start servers with")?;

    // The question, before, is ended by the signal itself.
    interrupt::catch_signals(Duration::ZERO);
    // A thread for each of the two clients.
    let runtime = echoctl_server::runtime(Some(2))?;
    let outcome = runtime.block_on(async {
        let mut view = View::new(&args, plan);
        tokio::select! {
            outcome = demo::run(plan, &program, |moment| view.show(moment)) => outcome.map(Some),
            () = interrupt::interrupted() => Ok(None),
        }
    });
    let Some(outcome) = outcome? else {
        // The terminal has put "^C" at the end of the last line.
        note("\ninterrupted; both servers have ended");
        return Ok(Exit::Interrupted);
    };

    let (path, written) = page.write(&outcome);
    output::ignore_broken_pipe(match args.json {
        true => output::json_line("summary", &JsonSummary::of(&outcome, path.as_deref())),
        false => result::print(&outcome, guess, path.as_deref()),
    })?;
    check_written_after_result([written])?;
    Ok(if outcome.problems().is_empty() { Exit::Done } else { Exit::Failed })
}

/// Says what is about to happen and, where somebody is there to answer, asks what will come of it.
fn introduce(args: &Args, plan: &Plan) -> io::Result<Option<char>> {
    if args.json {
        return Ok(None);
    }
    let (columns, _) = output::terminal_size();
    note(wrap(&story::introduction(plan), columns.clamp(60, 100)).join("\n"));
    if args.yes || !prompt::is_interactive() {
        return Ok(None);
    }
    prompt::ask(&story::QUESTION)
}

/// How a running demo is shown.
enum View {
    /// Samples as JSON on stdout.
    Json,
    /// A screen that is redrawn.
    Live(Box<Live>),
    /// A line a second on stderr.
    Lines { first: Option<Box<Moment>>, next: f64 },
}

impl View {
    fn new(args: &Args, plan: Plan) -> View {
        if args.json {
            View::Json
        } else if output::is_live() {
            View::Live(Box::new(Live::new(plan)))
        } else {
            View::Lines { first: None, next: 0.0 }
        }
    }

    /// Shows one moment. A view that can no longer be written is no reason to end the experiment.
    fn show(&mut self, moment: &Moment) {
        let _ = match self {
            View::Json => json_samples(moment),
            View::Live(live) => live.show(moment),
            View::Lines { first, next } => {
                let first = first.get_or_insert_with(|| Box::new(*moment));
                if moment.t >= *next {
                    offer_note(live::line(moment, first));
                    *next += 1.0;
                }
                Ok(())
            }
        };
    }
}

fn json_samples(moment: &Moment) -> io::Result<()> {
    output::offer_json("sample", &JsonSample { side: "off", sample: &moment.off })?;
    output::offer_json("sample", &JsonSample { side: "on", sample: &moment.on })
}

#[derive(Serialize)]
struct JsonSample<'a> {
    side: &'static str,
    #[serde(flatten)]
    sample: &'a Sample,
}

#[derive(Serialize)]
struct JsonSummary<'a> {
    schema_version: u32,
    off: &'a Summary,
    on: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Cow<'a, str>>,
}

impl<'a> JsonSummary<'a> {
    fn of(outcome: &'a demo::Outcome, report: Option<&'a Path>) -> JsonSummary<'a> {
        JsonSummary {
            schema_version: echoctl_record::SCHEMA_VERSION,
            off: &outcome.off.summary,
            on: &outcome.on.summary,
            // A name that is no text is told as near as text comes to it.
            report: report.map(Path::to_string_lossy),
        }
    }
}

/// The page, in the folder where the demo is run.
const DEFAULT_PAGE: &str = "echoctl-demo.html";
