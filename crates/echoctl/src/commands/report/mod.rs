//! `echoctl report`: draws a recording, or several as one.
//!
//! - [`source`]: reads a recording; [`several`]: makes one run of several.
//! - [`terminal`]: prints charts and tables; `echoctl compare` uses both, too.

mod several;
pub(crate) mod source;
pub(crate) mod terminal;

use std::path::PathBuf;

use echoctl_record::Run;
use echoctl_report::{Chart, Table, charts, csv, run_page, svg, tables};

use several::Combined;

use crate::exit::{Exit, Outcome};
use crate::output;
use crate::output::file::{OutputFile, check_written};

/// Draw a recording: queues, memory, receive window, rates
///
/// Prints charts and tables, unless an output file is given. --output writes one HTML file that needs no network,
/// has light and dark mode, and lists the numbers of each chart below it.
///
/// Several recordings are those of one load from several machines (flood or ping with --start-at), and are drawn as one run:
/// sums on one time axis, the percentiles of all frames together, and a row per machine. For two runs side by side, use compare.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Recording to draw, or one of each machine; - for stdin
    ///
    /// What --record wrote, or the output of flood --json. A recording has at most 1 GiB and 3,000,000 samples; a larger file is
    /// refused. Recordings of earlier versions are read, too.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Join a client's recording and that of a watch on the server's host
    ///
    /// Each host sees only its own end of a connection. The ends are matched by the addresses of the connections, and drawn as one
    /// run with all queues. How far the clocks are apart follows from the byte counters, and is printed. With several clients, their
    /// sum is drawn.
    #[arg(long)]
    join: bool,

    /// Write an HTML page; - for stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Write all samples as CSV; - for stdout
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    csv: Option<PathBuf>,

    /// Write the charts as one SVG drawing; - for stdout
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    svg: Option<PathBuf>,

    /// Plain ASCII lines, no colour
    ///
    /// For logs and mail. Charts are printed even if an output file is given.
    #[arg(long, help_heading = "Output")]
    plain: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    output::set_plain(args.plain);
    let (page, numbers, drawing) = (args.output.as_deref(), args.csv.as_deref(), args.svg.as_deref());
    for file in &args.files {
        OutputFile::refuse_same(&[
            ("FILE", Some(source::path(file))),
            ("--output", page),
            ("--csv", numbers),
            ("--svg", drawing),
        ])?;
    }
    let [page, numbers, drawing] = [page, numbers, drawing].map(|path| path.map(OutputFile::new).transpose());
    let (page, numbers, drawing) = (page?, numbers?, drawing?);
    let combined = match args.files.as_slice() {
        files if args.join => Combined::joined(files)?,
        [file] => Combined::of_one(source::read(file)?),
        files => Combined::merged(files)?,
    };
    let run = &combined.run;

    let nothing_asked = page.is_none() && numbers.is_none() && drawing.is_none();
    // If one of them cannot be written, the others still are.
    let page = page.map(|file| {
        let mut page = run_page(run).footer(FOOTER);
        page.sections.splice(0..0, combined.section());
        file.save(page.to_string())
    });
    let numbers = numbers.map(|file| file.save(csv::samples(&run.samples)));
    let drawing = drawing.map(|file| file.save(svg::sheet(&visible(run), svg::Size::WIDE)));
    if nothing_asked || args.plain {
        draw(&combined)?;
    }
    check_written([page, numbers, drawing].into_iter().flatten())?;
    Ok(Exit::Done)
}

fn draw(combined: &Combined) -> std::io::Result<()> {
    let run = &combined.run;
    if let Some(watch) = run.watch() {
        if let Some(worst) = tables::worst(watch) {
            terminal::sentence(&format!("{worst}\n"))?;
        }
        for table in [tables::culprits(watch), tables::listeners(watch)].into_iter().flatten() {
            terminal::table(&table)?;
        }
    }
    for chart in visible(run) {
        terminal::chart(&chart)?;
    }
    if let Some(sample) = tables::peak_sample(&run.samples).filter(|_| has_queues(run)) {
        terminal::table(&tables::path(sample, &run.machine.socket_limits()))?;
    }
    if let Some(clients) = run.evidence().and_then(|evidence| evidence.bystanders.as_ref()) {
        terminal::table(&Table { caption: "Other clients".to_owned(), ..tables::other_clients(clients) })?;
    }
    let changes = run.class.as_ref().and_then(tables::changes);
    for table in changes.into_iter().chain(tables::ending(run)) {
        terminal::table(&table)?;
    }
    if let Some(grown) = run.evidence().and_then(tables::grown_process) {
        terminal::sentence(&format!("During the attack, {grown}."))?;
    }
    if let Some(census) = run.evidence().and_then(tables::census) {
        terminal::sentence(&format!("At the end of the attack, {census}."))?;
    }
    if let Some(reason) = run.summary().and_then(|summary| summary.reason.as_ref()) {
        terminal::sentence(&format!("Reason for the verdict: {reason}."))?;
    }
    if let Some(machines) = &combined.machines {
        terminal::table(machines)?;
    }
    combined.sentences.iter().try_for_each(|text| terminal::sentence(text))?;
    Ok(())
}

/// The charts of a run that have something to show.
fn visible(run: &Run) -> Vec<Chart> {
    let samples = &run.samples;
    let mut all: Vec<Chart> = run.ping().map(|ping| charts::latencies(&ping.latencies)).into_iter().collect();
    if has_queues(run) {
        all.extend([charts::queues(samples, &run.machine.socket_limits()), charts::memory(samples)]);
        all.extend(charts::flow_control(run));
    }
    all.retain(|chart| !chart.series.is_empty());
    all.into_iter().map(|chart| charts::with_policies(chart, run)).collect()
}

/// Whether the queues of a run are worth a chart: those of a ping usually hold one frame.
fn has_queues(run: &Run) -> bool {
    run.ping().is_none() || charts::has_backlog(&run.samples)
}

/// The last line of each page of a run.
pub(crate) const FOOTER: &str = concat!("Made by echoctl ", env!("CARGO_PKG_VERSION"));

const EXAMPLES: &str = "\
Examples:
  echoctl flood --no-read --record run.json     record a run
  echoctl report run.json                       draw it in the terminal
  echoctl report run.json -o run.html           write a page
  echoctl report run.json --csv - | head        print its numbers
  echoctl report web-*.json                     one load from several machines
  echoctl report --join flood.json watch.json   both ends, on two hosts";
