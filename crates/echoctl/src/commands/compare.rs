//! `echoctl compare`: draws two recordings on one time axis.

use std::path::{Path, PathBuf};

use echoctl_record::{Ending, Run};
use echoctl_report::{charts, compare_page, tables};

use crate::commands::report::{FOOTER, source, terminal};
use crate::exit::{Exit, Failure, Outcome};
use crate::output;
use crate::output::file::OutputFile;

/// Draw two recordings on one time axis
///
/// Compares two servers under the same load, or one server before and after a change; or two watches. Prints charts and a table, unless an
/// output file is given. The first run is drawn in solid orange, the second in dashed blue.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// First recording; - for stdin
    ///
    /// What --record wrote, or the output of flood --json. A recording has at most 1 GiB and 3,000,000 samples; a larger file is
    /// refused. Recordings of earlier versions are read, too.
    #[arg(value_name = "A")]
    first: PathBuf,

    /// Second recording
    #[arg(value_name = "B")]
    second: PathBuf,

    /// Write an HTML page; - for stdout
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Plain ASCII lines, no colour
    ///
    /// For logs and mail. Charts are printed even if an output file is given.
    #[arg(long, help_heading = "Output")]
    plain: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    output::set_plain(args.plain);
    let page = args.output.as_deref();
    for (name, file) in [("A", &args.first), ("B", &args.second)] {
        OutputFile::refuse_same(&[(name, Some(source::path(file))), ("--output", page)])?;
    }
    let page = page.map(OutputFile::new).transpose()?;
    let is_drawn = page.is_none() || args.plain;
    let (one, other) = (source::read(&args.first)?, source::read(&args.second)?);
    let (first, second) = names(&args.first, &args.second);
    if let (Some(a), Some(b)) = (kind(&one), kind(&other))
        && a != b
    {
        let why = format!("cannot compare {first}, {a}, with {second}, {b}: they measure different things");
        return Err(Failure::usage(why).hint("compare takes two runs of one kind; report draws each"));
    }

    let written = page.map(|file| {
        let page = compare_page((&first, &one), (&second, &other)).footer(FOOTER);
        file.save(page.to_string())
    });
    if is_drawn {
        for (name, run) in [(&first, &one), (&second, &other)] {
            if let Some(worst) = run.watch().and_then(tables::worst) {
                terminal::sentence(&format!("{name}: {worst}"))?;
            }
        }
        for chart in charts::compare((&first, &one), (&second, &other)) {
            terminal::chart(&chart)?;
        }
        for table in tables::culprits_of([(&first, &one), (&second, &other)]) {
            terminal::table(&table)?;
        }
        if let (Some(one), Some(other)) = (tables::ending(&one), tables::ending(&other)) {
            terminal::table(&tables::side_by_side((&first, one), (&second, other)))?;
        }
    }
    written.transpose()?;
    Ok(Exit::Done)
}

/// What a run is; `None` for one that was interrupted.
fn kind(run: &Run) -> Option<&'static str> {
    run.ending.as_ref().map(|ending| match ending {
        Ending::Flood { .. } | Ending::Audit { .. } => "a load that was not read",
        Ending::Ping { .. } => "a ping",
        Ending::Watch { .. } => "a watch",
    })
}

/// Names of the runs: their files' names, or their paths if those names are equal.
fn names(first: &Path, second: &Path) -> (String, String) {
    let short =
        |path: &Path| path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let long = |path: &Path| path.display().to_string();
    let (one, other) = (short(first), short(second));
    if one != other && !one.is_empty() && !other.is_empty() {
        return (one, other);
    }
    match (long(first), long(second)) {
        (one, other) if one == other => (format!("{one} (first)"), format!("{other} (second)")),
        different => different,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_have_short_names_if_these_differ() {
        let named = |one: &str, other: &str| names(Path::new(one), Path::new(other));
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());

        assert_eq!(named("runs/off.json", "runs/on.json"), pair("off", "on"));
        assert_eq!(named("a/run.json", "b/run.json"), pair("a/run.json", "b/run.json"));
        assert_eq!(named("run.json", "run.json"), pair("run.json (first)", "run.json (second)"));
    }
}
