//! `echoctl lesson`: each idea of socket programming as an experiment on this machine.
//!
//! The order of a lesson: the question, the learner's answer, the experiment, the evidence, the explanation, what was
//! claimed, what to try next. Lessons are data from `echoctl_lab`; all printing is here.

mod course;
mod page;
mod transcript;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use clap::builder::PossibleValuesParser;
use echoctl_lab::kit::{Finding, Lesson, LessonError, Setting};
use echoctl_lab::lessons;
use serde::Serialize;

use crate::exit::{Exit, Failure, Outcome};
use crate::output::{self, ignore_broken_pipe, json_line, note, print};
use crate::output_file::{OutputFile, check_written_after_result};
use crate::prompt::{self, is_interactive};
use transcript::Transcript;

/// Learn it: each idea as a question and an experiment on your own machine
///
/// A lesson asks what you expect, runs the experiment with real sockets, shows what it measured, explains it with those
/// figures, and checks its own claim: exit 1 if it did not show here, exit 3 if this system cannot show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The lesson to run, or "all" for the whole course; without a name they are listed
    #[arg(value_name = "LESSON", value_parser = names())]
    lesson: Option<String>,

    /// Ask nothing
    #[arg(long)]
    yes: bool,

    /// Answer the question beforehand: the letter of a choice
    #[arg(long, value_name = "LETTER")]
    predict: Option<String>,

    /// Your name, kept in the JSON and the report, for handing in
    #[arg(long)]
    name: Option<String>,

    /// Print one JSON object a lesson instead of text
    #[arg(long)]
    json: bool,

    /// Write the lesson as one HTML file, with its chart and data
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,

    /// Show the code that matters instead of running it
    #[arg(long)]
    show_code: bool,

    /// Choose the order of what is shuffled, to have it twice
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Be one of the servers of the lesson "unbounded" until stdin ends
    #[arg(long, hide = true, value_name = "NAME")]
    candidate: Option<String>,

    /// Prevent the phenomenon, so that the check must fail
    #[arg(long, hide = true)]
    sabotage: bool,
}

/// What a lesson came to, as it stands in the JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Submission {
    schema_version: u32,
    lesson: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    question: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prediction: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<char>,
    holds: bool,
    evidence: serde_json::Value,
    claims: Vec<echoctl_lab::kit::Claim>,
    seconds: f64,
}

/// What a server of a lesson tells whoever started it.
#[derive(Serialize)]
struct Listening {
    addr: SocketAddr,
}

pub(crate) fn run(args: Args) -> Outcome {
    if let Some(name) = &args.candidate {
        lessons::serve_candidate(name, |addr| json_line("listening", &Listening { addr }))?;
        return Ok(Exit::Done);
    }
    match args.lesson.as_deref() {
        None => course::list().map(|()| Exit::Done),
        Some("all") => course::run_all(&args),
        Some(name) => {
            let lesson = lessons::find(name).expect("only names of lessons are taken");
            if args.show_code {
                return show_code(lesson);
            }
            run_one(lesson, &args).map(|(exit, _)| exit)
        }
    }
}

/// Runs one lesson from its question to its check. Returns how it ended and, where it ran, what it came to.
pub(crate) fn run_one(lesson: &'static Lesson, args: &Args) -> Result<(Exit, Option<Submission>), Failure> {
    let setting = Setting {
        sabotage: args.sabotage,
        seed: args.seed.unwrap_or_else(|| now().subsec_nanos().into()),
        program: std::env::current_exe()?,
    };
    let file = args.report.as_deref().map(OutputFile::new).transpose()?;
    let predicted = args.predict.as_deref().map(|answer| letter(lesson, answer)).transpose()?;
    let is_asked = predicted.is_none() && !args.yes && is_interactive();
    let transcript = Transcript::new(args.json, is_asked);
    transcript.question(lesson, &setting)?;
    if args.json && is_asked {
        note(Transcript::question_text(lesson));
    }
    let prediction = if is_asked { prompt::answer(&lesson.question)? } else { predicted };
    transcript.running(prediction)?;

    let started = Instant::now();
    let finding = match lesson.measure(&setting) {
        Ok(finding) => finding,
        Err(error @ (LessonError::NotVisible(_) | LessonError::TooLittleMemory { .. })) => {
            output::error(format_args!("lesson {}: {error}", lesson.name));
            return Ok((Exit::Inconclusive, None));
        }
        Err(error) => {
            return Err(anyhow::Error::new(error).context(format!("lesson {}", lesson.name)).into());
        }
    };
    let submission = Submission {
        schema_version: echoctl_record::SCHEMA_VERSION,
        lesson: lesson.name,
        name: args.name.clone(),
        question: lesson.question.text,
        prediction,
        measured: finding.measured,
        holds: finding.holds(),
        evidence: finding.evidence.clone(),
        claims: finding.claims.clone(),
        seconds: started.elapsed().as_secs_f64(),
    };
    let printed = print_result(&transcript, lesson, &finding, &submission, args.json);
    // The page is written also where nobody reads the rest.
    let written = file.map_or(Ok(()), |file| {
        let page = page::page(lesson, &finding, &submission).to_string();
        let name = file.path().display().to_string();
        file.write(|to| to.write_all(page.as_bytes())).map(|_| note(format_args!("written: {name}")))
    });
    printed?;
    check_written_after_result([written])?;
    Ok((if submission.holds { Exit::Done } else { Exit::Failed }, Some(submission)))
}

/// Prints what came of an experiment.
fn print_result(
    transcript: &Transcript,
    lesson: &Lesson,
    finding: &Finding,
    submission: &Submission,
    json: bool,
) -> io::Result<()> {
    transcript.evidence(lesson, finding, submission.prediction)?;
    // The evidence is looked at before the explanation moves it up the screen.
    transcript.pause("what it shows")?;
    transcript.explanation(lesson, finding)?;
    if json { ignore_broken_pipe(json_line("summary", submission)) } else { Ok(()) }
}

/// The choice that `--predict` names.
fn letter(lesson: &Lesson, answer: &str) -> Result<char, Failure> {
    lesson.question.letter(answer).ok_or_else(|| {
        let letters: Vec<String> = lesson.question.lettered().map(|(letter, _)| letter.to_string()).collect();
        Failure::usage(format!("--predict: '{answer}' is no choice, use one of {}", letters.join(", ")))
    })
}

fn show_code(lesson: &Lesson) -> Outcome {
    print(format_args!("// echoctl lesson {}: {}\n\n{}", lesson.name, lesson.idea, lesson.code.excerpt()))?;
    if let Some(node) = lesson.code.node {
        print(format_args!("\n// The same in Node:\n\n{node}"))?;
    }
    Ok(Exit::Done)
}

/// What may be run. Given to clap, which so completes a name in the shell and knows which one is meant by a misspelt one.
fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(lessons::ALL.iter().map(|lesson| lesson.name).chain(["all"]))
}

/// The time of day, for a seed.
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
