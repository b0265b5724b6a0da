//! Lists the lessons, and runs all of them in order with a summary.

use std::io;
use std::time::{Duration, Instant};

use echoctl_lab::{kit, lessons};
use echoctl_record::Seconds;
use echoctl_report::{Table, wrap};

use super::transcript::columns;
use super::{Args, run_one};
use crate::cli::called;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::file::{OutputFile, check_written_after_result};
use crate::output::{self, ignore_broken_pipe, print};

/// Lists the lessons, one line each.
pub(super) fn list() -> Result<(), Failure> {
    let table = lessons::ALL
        .iter()
        .fold(Table::new("", ["lesson", "idea"]), |table, lesson| table.row([lesson.name, lesson.idea]));
    let table = table.fit(columns());
    let program = called();
    print(format_args!("{table}\n\nRun one with: {program} lesson {}", lessons::ALL[0].name))?;
    print(format_args!("The whole course: {program} lesson all"))?;
    let path: Vec<&str> = lessons::QUARTER_OF_AN_HOUR.iter().map(|lesson| lesson.name).collect();
    let path = wrap(&format!("In 15 minutes: {}", path.join(", ")), columns()).join("\n  ");
    print(format_args!("{path}")).map_err(Failure::from)
}

/// Runs every lesson. If one cannot be run, the others still are.
pub(super) fn run_all(args: &Args) -> Outcome {
    if args.predict.is_some() || args.show_code {
        return Err(Failure::usage("--predict and --show-code have no effect with 'all': name one lesson"));
    }
    let file = args.report.as_deref().map(OutputFile::new).transpose()?;
    let first =
        args.from.as_deref().and_then(|name| lessons::ALL.iter().position(|lesson| lesson.name == name));
    let chosen = &lessons::ALL[first.unwrap_or(0)..];
    let mut all_taken = Vec::new();
    let mut table = Table::new("", ["lesson", "prediction", "measured", "result", "time"]);
    let (mut worst, mut held, started) = (Exit::Done, 0, Instant::now());
    for lesson in chosen {
        let taken = run_one(lesson, args).and_then(|(exit, taken, printed)| {
            printed?;
            Ok((exit, taken))
        });
        let (exit, taken) = taken.unwrap_or_else(|failure| {
            output::error(&failure);
            (Exit::Failed, None)
        });
        let submission = taken.as_ref().map(|taken| &taken.submission);
        held += usize::from(exit == Exit::Done);
        let letter = |letter: Option<char>| letter.map_or_else(|| "-".to_owned(), String::from);
        let result = match exit {
            Exit::Done => "ok",
            Exit::Inconclusive => "not visible here",
            _ => "FAILED",
        };
        let said = letter(submission.and_then(|submission| submission.prediction));
        let measured = letter(submission.and_then(|submission| submission.measured));
        let seconds =
            submission.map_or_else(String::new, |submission| Seconds(submission.seconds).to_string());
        table = table.row([lesson.name, &said, &measured, result, &seconds]);
        all_taken.extend(taken.map(|taken| (lesson, taken)));
        worst = if exit == Exit::Failed || worst == Exit::Done { exit } else { worst };
    }
    let printed = match args.json {
        true => Ok(()),
        false => summary(&table, held, chosen.len(), started.elapsed()),
    };
    let written = file.map(|file| {
        let taken =
            all_taken.iter().map(|(lesson, taken)| (*lesson, &taken.finding, taken.submission.prediction));
        file.save(kit::course_page(taken, args.name.as_deref()).to_string())
    });
    printed?;
    check_written_after_result(written)?;
    Ok(worst)
}

fn summary(table: &Table, held: usize, all: usize, took: Duration) -> io::Result<()> {
    let took = Seconds(took.as_secs_f64());
    ignore_broken_pipe(print(format_args!(
        "The course\n\n{}\n\n{held} of {all} ok ({took})",
        table.fit(usize::MAX)
    )))
}
