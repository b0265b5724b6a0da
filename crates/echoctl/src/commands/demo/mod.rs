//! `echoctl demo`: backpressure off and on, side by side.
//!
//! The experiment, its texts and its page are in `echoctl_lab::demo`. This module has the options and the output.

mod result;

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use echoctl_lab::demo::{self, Moment, Picture, Plan, story};
use echoctl_observe::available_memory;
use echoctl_record::{Bytes, Sample, SchemaVersion, Summary};
use echoctl_report::wrap;
use serde::Serialize;

use crate::cli::called;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::file::{OutputFile, check_written_after_result};
use crate::output::{self, Styled, note, offer_note};
use crate::terminal::interrupt;
use crate::terminal::prompt;
use crate::terminal::screen::Screen;

/// Compare echo servers with and without backpressure, side by side
///
/// Starts both servers on this machine and gives them the same work: a client sends 64 MiB per second, reads the replies
/// for 3 s, does not read for 5 s, and reads again until all 512 MiB have come back. It takes about 10 s (at most 30 s) and
/// 320 MiB of memory, and stays on loopback. To leave a reserve, it runs as with --small if less than
/// 544 MiB of memory is available.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Use an eighth of the memory and rate, for small machines
    ///
    /// 64 MiB in total at 8 MiB per second, which takes the same time. Also for shared machines.
    #[arg(long, help_heading = "Load")]
    small: bool,

    /// Write an HTML page [default: echoctl-demo.html]
    ///
    /// The page is self-contained, with the charts, their data and all figures. If the default file cannot be written, the demo still runs.
    #[arg(long, value_name = "FILE", conflicts_with = "no_report", help_heading = "Output")]
    report: Option<PathBuf>,

    /// Do not write a page
    #[arg(long, help_heading = "Output")]
    no_report: bool,

    /// Plain ASCII lines: no live view, no colour
    #[arg(long, help_heading = "Output")]
    plain: bool,

    /// Print samples and a summary as JSON, one object per line
    #[arg(long, short = 'J', help_heading = "Output")]
    json: bool,

    /// Start without asking for a prediction
    #[arg(long, short)]
    yes: bool,
}

impl Args {
    /// The requested plan, or the small one if only that fits into the available memory.
    ///
    /// # Errors
    /// Exit code 3 if not even the small plan fits.
    fn plan(&self) -> Result<Plan, Failure> {
        let plan = if self.small { Plan::SMALL } else { Plan::FULL };
        let available = available_memory();
        let left = Bytes(available.unwrap_or(0));
        let Some(fitting) = plan.fitting(available) else {
            let needs = Bytes(Plan::SMALL.needs());
            return Err(Failure::new(
                Exit::Inconclusive,
                anyhow!("run the demo: it needs {needs} of memory, and {left} are available"),
            ));
        };
        if fitting != plan {
            let needs = Bytes(plan.needs());
            note(format_args!(
                "Running the small demo: the full one needs {needs} of memory, and {left} are available."
            ));
        }
        Ok(fitting)
    }

    /// Where the page goes, unless there is to be none.
    fn page_path(&self) -> Option<&Path> {
        let path = self.report.as_deref().unwrap_or(Path::new(DEFAULT_PAGE));
        (!self.no_report).then_some(path)
    }

    /// Checks before the run that the page can be written. If a file given with --report cannot be written, that is an error; if
    /// the default file cannot, the demo runs without a page, and the error is returned for its end.
    fn page(&self) -> anyhow::Result<anyhow::Result<Option<OutputFile>>> {
        let file = self.page_path().map(OutputFile::new).transpose();
        let Err(error) = &file else { return Ok(file) };
        let hint = "hint: choose another file with --report, or none with --no-report";
        if self.report.is_some() {
            bail!("{error:#}\n{hint}");
        }
        output::warning(format_args!("{error:#}: the demo runs without its page\n{hint}"));
        Ok(file)
    }
}

pub(crate) fn run(args: Args) -> Outcome {
    output::set_plain(args.plain);
    let page = args.page()?;
    let plan = args.plan()?;
    let guess = introduce(&args, &plan)?;
    let program =
        std::env::current_exe().context("find the path of this program, to start servers with it")?;

    // From here on signals stop the run in order; at the question they end the process.
    interrupt::catch_signals(Duration::ZERO);
    // One thread per client.
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
        note("\ninterrupted; both servers have been stopped");
        return Ok(Exit::Interrupted);
    };

    let written =
        page.and_then(|file| file.map(|file| file.write(demo::page(&outcome, called()))).transpose());
    let path = args.page_path().filter(|_| written.is_ok());
    output::ignore_broken_pipe(match args.json {
        true => {
            let (off, on) = (&outcome.off.summary, &outcome.on.summary);
            // JSON has only text: other bytes in the name are replaced.
            let report = path.map(Path::to_string_lossy);
            output::json_line("summary", &JsonSummary { schema_version: SchemaVersion, off, on, report })
        }
        false => result::print(&outcome, guess, path),
    })?;
    check_written_after_result([written])?;
    Ok(if outcome.problems().is_empty() { Exit::Done } else { Exit::Failed })
}

/// Prints what is about to happen and, on a terminal, asks for a prediction.
fn introduce(args: &Args, plan: &Plan) -> io::Result<Option<char>> {
    if args.json {
        return Ok(None);
    }
    let (columns, _) = output::terminal_size();
    note(wrap(&story::introduction(plan), columns.clamp(60, 100) - 1).join("\n"));
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
    Live { picture: Box<Picture>, screen: Screen },
    /// One line per second on stderr.
    Lines { first: Option<Box<Moment>>, next: f64 },
}

impl View {
    fn new(args: &Args, plan: Plan) -> View {
        if args.json {
            View::Json
        } else if output::is_live() {
            View::Live { picture: Box::new(Picture::new(plan)), screen: Screen::new() }
        } else {
            View::Lines { first: None, next: 0.0 }
        }
    }

    /// Shows one moment. An error does not stop the experiment.
    fn show(&mut self, moment: &Moment) {
        let _ = match self {
            View::Json => json_samples(moment),
            View::Live { picture, screen } => {
                picture.add(moment);
                draw(picture, screen)
            }
            View::Lines { first, next } => {
                if first.is_none() {
                    offer_note(demo::LINES);
                }
                let first = first.get_or_insert_with(|| Box::new(*moment));
                if moment.t >= *next {
                    offer_note(demo::line(moment, first));
                    *next += 1.0;
                }
                Ok(())
            }
        };
    }
}

/// Redraws the picture, with a chart as high as the screen allows.
fn draw(picture: &Picture, screen: &mut Screen) -> io::Result<()> {
    let (columns, rows) = output::terminal_size();
    let columns = columns.min(WIDEST);
    let text = picture.text(columns);
    let height = rows.saturating_sub(text.lines().count() + 1).clamp(6, 20);
    let chart = Styled::chart(&picture.chart(), columns, height, output::live_colour());
    screen.draw(Styled::from(text).then(chart))
}

/// Columns of the widest picture.
const WIDEST: usize = 110;

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
    schema_version: SchemaVersion,
    off: &'a Summary,
    on: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Cow<'a, str>>,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  unbounded without backpressure and bounded with it, as it should be
  1  another result, or the page could not be written
  3  too little memory is available";

/// The default file of the page, in the current folder.
const DEFAULT_PAGE: &str = "echoctl-demo.html";
