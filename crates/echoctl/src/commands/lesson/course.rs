//! Lists the lessons, and runs all of them in order with a summary.

use std::io;
use std::time::{Duration, Instant};

use echoctl_lab::lessons;
use echoctl_record::Seconds;
use echoctl_report::Table;

use super::transcript::columns;
use super::{Args, run_one};
use crate::cli::called;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, ignore_broken_pipe, print};

/// Lists the lessons, one line each.
pub(super) fn list() -> Result<(), Failure> {
    let table = lessons::ALL
        .iter()
        .fold(Table::new("", ["lesson", "idea"]), |table, lesson| table.row([lesson.name, lesson.idea]));
    let table = table.fit(columns());
    let program = called();
    print(format_args!("{table}\n\nRun one with: {program} lesson {}", lessons::ALL[0].name))?;
    print(format_args!("The whole course: {program} lesson all")).map_err(Failure::from)
}

/// Runs every lesson. If one cannot be run, the others still are.
pub(super) fn run_all(args: &Args) -> Outcome {
    if args.report.is_some() || args.predict.is_some() || args.show_code {
        return Err(Failure::usage(
            "--report, --predict and --show-code have no effect with 'all': name one lesson",
        ));
    }
    let mut table = Table::new("", ["lesson", "prediction", "measured", "result", "time"]);
    let (mut worst, mut held, started) = (Exit::Done, 0, Instant::now());
    for lesson in lessons::ALL {
        let (exit, submission) = run_one(lesson, args).unwrap_or_else(|failure| {
            output::error(&failure);
            (Exit::Failed, None)
        });
        held += usize::from(exit == Exit::Done);
        let letter = |letter: Option<char>| letter.map_or_else(|| "-".to_owned(), String::from);
        let result = match exit {
            Exit::Done => "ok",
            Exit::Inconclusive => "not visible here",
            _ => "FAILED",
        };
        let said = letter(submission.as_ref().and_then(|submission| submission.prediction));
        let measured = letter(submission.as_ref().and_then(|submission| submission.measured));
        let seconds =
            submission.map_or_else(String::new, |submission| Seconds(submission.seconds).to_string());
        table = table.row([lesson.name, &said, &measured, result, &seconds]);
        worst = if exit == Exit::Failed || worst == Exit::Done { exit } else { worst };
    }
    if !args.json {
        summary(&table, held, started.elapsed())?;
    }
    Ok(worst)
}

fn summary(table: &Table, held: usize, took: Duration) -> io::Result<()> {
    let (all, took) = (lessons::ALL.len(), Seconds(took.as_secs_f64()));
    ignore_broken_pipe(print(format_args!(
        "The course\n\n{}\n\n{held} of {all} ok ({took})",
        table.fit(usize::MAX)
    )))
}
