//! `echoctl lesson`: socket programming in short experiments on this machine.
//!
//! A lesson consists of the question, the learner's prediction, the experiment, the evidence, the explanation, the checks and
//! what to try next. Lessons are data from `echoctl_lab`; all printing is here.

mod course;
mod transcript;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use echoctl_lab::kit::{self, Finding, Language, Lesson, LessonError, Setting};
use echoctl_lab::lessons;
use echoctl_record::Machine;
use echoctl_report::wrap_code;
use serde::Serialize;
use serde_json::json;

use crate::exit::{Exit, Failure, Outcome};
use crate::output::file::{OutputFile, check_written_after_result};
use crate::output::{self, ignore_broken_pipe, json_line, note, print, terminal_size};
use crate::terminal::prompt::{self, is_interactive};
use transcript::{Reader, Transcript};

/// Learn socket programming: short experiments on your own machine
///
/// A lesson asks for your prediction, runs an experiment with real sockets on loopback, shows what it measured, explains it
/// with these figures, and checks its own claims. Each takes less than 15 s, more on a busy machine. Without a name, the lessons
/// are listed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXIT_CODES)]
pub(crate) struct Args {
    /// Lesson to run, or `all` for the whole course [default: list them]
    // The names are listed by the command itself, and in the error for an unknown one.
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    lesson: Option<String>,

    /// Your name, for the JSON output and the report
    #[arg(long, value_name = "NAME", help_heading = "Output")]
    name: Option<String>,

    /// With `all`: start at this lesson of the course
    #[arg(long, value_name = "NAME", value_parser = lesson_names(), hide_possible_values = true, hide_short_help = true)]
    from: Option<String>,

    /// Write the lessons as one self-contained HTML page
    ///
    /// It contains the question, your prediction, the measurements with their chart and data, the explanation and the checks.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    report: Option<PathBuf>,

    /// Plain ASCII lines: no live view, no colour
    #[arg(long, help_heading = "Output")]
    plain: bool,

    /// Print one JSON object per lesson instead of text
    #[arg(long, short = 'J', help_heading = "Output")]
    json: bool,

    /// Do not prompt
    ///
    /// Without it a lesson asks for your prediction on a terminal, and pauses when the screen is full.
    #[arg(long, short)]
    yes: bool,

    /// Prediction, given as the letter of a choice
    ///
    /// The lesson does not ask, and compares this prediction with what it measured.
    #[arg(long, value_name = "LETTER")]
    predict: Option<String>,

    /// Show the lesson's code instead of running it
    #[arg(long, conflicts_with_all = ["language", "seed", "predict", "report", "json"])]
    show_code: bool,

    /// Language of code to read before the question: rust, node or python
    ///
    /// Used only by `unbounded`. By default the lesson asks on a terminal, and shows Rust elsewhere.
    #[arg(long, value_name = "NAME", value_parser = language, hide_short_help = true)]
    language: Option<Language>,

    /// Seed of the shuffled order, to repeat a run
    ///
    /// Used only by `unbounded`, which shuffles its four servers. By default the order differs in each run.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Run a server of a lesson until stdin is closed
    #[arg(long, hide = true, value_name = "NAME")]
    candidate: Option<String>,

    /// Prevent the phenomenon, so that the check must fail
    #[arg(long, hide = true)]
    sabotage: bool,
}

/// The result of a lesson, as in the JSON output.
#[derive(Debug, Serialize)]
struct Submission {
    schema_version: u32,
    lesson: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When it was taken, in RFC 3339.
    time: String,
    version: &'static str,
    machine: Machine,
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

pub(crate) fn run(args: Args) -> Outcome {
    output::set_plain(args.plain);
    if let Some(name) = &args.candidate {
        lessons::serve_candidate(name, |addr| json_line("listening", &json!({ "addr": addr })))?;
        return Ok(Exit::Done);
    }
    if args.from.is_some() && args.lesson.as_deref() != Some("all") {
        return Err(Failure::usage("--from has an effect only with 'all': echoctl lesson all --from NAME"));
    }
    match args.lesson.as_deref() {
        None => course::list().map(|()| Exit::Done),
        Some("all") => course::run_all(&args),
        Some(name) => {
            let lesson = lessons::find(name).expect("clap accepts only names of lessons");
            if args.show_code {
                return show_code(lesson);
            }
            let file = args.report.as_deref().map(OutputFile::new).transpose()?;
            let (exit, taken, printed) = run_one(lesson, &args)?;
            // The page is written even if printing failed.
            let written = file.zip(taken).map(|(file, Taken { submission, finding })| {
                let page = kit::page(lesson, &finding, args.name.as_deref(), submission.prediction);
                file.save(page.to_string())
            });
            printed?;
            check_written_after_result(written)?;
            Ok(exit)
        }
    }
}

/// A lesson that was taken.
struct Taken {
    submission: Submission,
    finding: Finding,
}

/// Runs one lesson from its question to its checks. Returns its exit code, its result if it could run, and whether printing that failed.
fn run_one(lesson: &'static Lesson, args: &Args) -> Result<(Exit, Option<Taken>, io::Result<()>), Failure> {
    let setting = Setting {
        sabotage: args.sabotage,
        seed: args.seed.unwrap_or_else(|| UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_nanos().into())),
        program: std::env::current_exe()?,
    };
    let predicted = args.predict.as_deref().map(|answer| letter(lesson, answer)).transpose()?;
    // A reader who has predicted beforehand still wants to read at leisure.
    let is_interactive = !args.yes && is_interactive();
    let asks = predicted.is_none() && is_interactive;
    let transcript = Transcript::new(match is_interactive {
        _ if args.json => Reader::Program,
        true => Reader::Interactive,
        false => Reader::Absent,
    });
    let language = match (args.language, lesson.before) {
        (None, Some(_)) if asks && !args.json => prompt::language()?,
        (chosen, _) => chosen.unwrap_or(Language::Rust),
    };
    transcript.question(lesson, &setting, language)?;
    if args.json && asks {
        note(transcript.question_text(lesson));
    }
    let prediction = if asks { prompt::answer(&lesson.question)? } else { predicted };
    transcript.running(prediction)?;

    let started = Instant::now();
    let finding = match lesson.measure(&setting) {
        Ok(finding) => finding,
        Err(error @ (LessonError::NotVisible(_) | LessonError::TooLittleMemory { .. })) => {
            output::error(format_args!("lesson {}: {error}", lesson.name));
            return Ok((Exit::Inconclusive, None, Ok(())));
        }
        Err(error) => {
            return Err(anyhow::Error::new(error).context(format!("lesson {}", lesson.name)).into());
        }
    };
    let submission = Submission {
        schema_version: echoctl_record::SCHEMA_VERSION,
        lesson: lesson.name,
        name: args.name.clone(),
        time: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        version: env!("CARGO_PKG_VERSION"),
        machine: echoctl_observe::machine(),
        question: lesson.question.text,
        prediction,
        measured: finding.measured,
        holds: finding.holds(),
        evidence: finding.evidence.clone(),
        claims: finding.claims.clone(),
        seconds: started.elapsed().as_secs_f64(),
    };
    let printed = transcript.result(lesson, &finding, prediction).and_then(|()| match args.json {
        true => ignore_broken_pipe(json_line("summary", &submission)),
        false => Ok(()),
    });
    let exit = if submission.holds { Exit::Done } else { Exit::Failed };
    Ok((exit, Some(Taken { submission, finding }), printed))
}

/// The choice that `--predict` names.
fn letter(lesson: &Lesson, answer: &str) -> Result<char, Failure> {
    lesson.question.letter(answer).ok_or_else(|| {
        let letters: Vec<String> = lesson.question.lettered().map(|(letter, _)| letter.to_string()).collect();
        Failure::usage(format!(
            "invalid value '{answer}' for --predict: expected one of {}",
            letters.join(", ")
        ))
    })
}

fn show_code(lesson: &Lesson) -> Outcome {
    let mut code = format!("// echoctl lesson {}: {}\n\n{}", lesson.name, lesson.idea, lesson.code.excerpt());
    if let Some(node) = lesson.code.node {
        code.push_str(&format!("\n\n// The same in Node:\n\n{node}"));
    }
    // Only a terminal needs wrapped lines: in a file the code must stay as it is.
    let is_terminal = io::stdout().is_terminal();
    print(if is_terminal { wrap_code(&code, terminal_size().0.max(60) - 1) } else { code })?;
    Ok(Exit::Done)
}

const EXIT_CODES: &str = "\
Exit codes:
  0  the lesson showed what it claims
  1  it did not (the checks show what was measured)
  3  this system cannot show it";

/// The values of LESSON, given to clap so that shells complete them and a misspelt one gets a suggestion.
fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(lessons::ALL.iter().map(|lesson| lesson.name).chain(["all"]))
}

fn lesson_names() -> PossibleValuesParser {
    PossibleValuesParser::new(lessons::ALL.iter().map(|lesson| lesson.name))
}

fn language(text: &str) -> Result<Language, String> {
    Language::find(text)
        .ok_or_else(|| format!("expected one of {}", Language::ALL.map(Language::name).join(", ")))
}
