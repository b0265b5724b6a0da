//! Prints a lesson part by part, to a terminal of 60 or more columns or to a log.
//!
//! An interactive reader may have a screen of only 24 lines. So the transcript pauses before a part that would scroll unread
//! text off the screen. Without an interactive reader it never pauses.

use std::cell::Cell;
use std::io::{self, BufRead, IsTerminal};

use echoctl_lab::kit::{Finding, Language, Lesson, Setting};
use echoctl_lab::lessons;
use echoctl_report::{wrap, wrap_code};

use crate::cli::called;
use crate::cli::help::{continued, renamed};
use crate::output::Styled;
use crate::output::{colour, ignore_broken_pipe, print_styled, prompt, terminal_size};

/// Prints a lesson part by part.
pub(crate) struct Transcript {
    reader: Reader,
    columns: usize,
    /// Lines of the screen of an interactive reader.
    rows: Option<usize>,
    /// Lines printed since the last pause.
    shown: Cell<usize>,
}

/// The reader of a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A user at a terminal, who can be asked.
    Interactive,
    /// A log, which cannot be asked.
    Absent,
    /// A program, which reads the result as JSON: nothing is printed here.
    Program,
}

impl Transcript {
    /// A transcript that pauses for an interactive reader.
    pub(crate) fn new(reader: Reader) -> Transcript {
        let pauses = reader == Reader::Interactive && io::stdout().is_terminal();
        let rows = pauses.then(|| terminal_size().1);
        Transcript { reader, columns: columns(), rows, shown: Cell::new(0) }
    }

    /// Prints the name, the idea, and the question with its choices.
    pub(crate) fn question(&self, lesson: &Lesson, setting: &Setting, language: Language) -> io::Result<()> {
        let number = lessons::ALL.iter().position(|other| other.name == lesson.name).map_or(0, |at| at + 1);
        let title = format!("Lesson {number} of {}: {}", lessons::ALL.len(), lesson.name);
        self.say(Styled::strong(title))?;
        self.say(self.hanging("", lesson.idea))?;
        self.say("")?;
        if let Some(before) = lesson.before {
            for part in before(setting, language).split("\n\n") {
                self.say(format!("{}\n", self.code(part)))?;
            }
        }
        self.say(self.question_text(lesson))?;
        self.say("")
    }

    /// The question with its choices, as text.
    pub(crate) fn question_text(&self, lesson: &Lesson) -> String {
        let choices =
            lesson.question.lettered().map(|(letter, choice)| self.hanging(&format!("  {letter}) "), choice));
        let choices: Vec<String> = choices.collect();
        format!("{}\n{}", self.hanging("", lesson.question.text), choices.join("\n"))
    }

    /// Prints that the experiment is running. A reader who has answered has read everything above.
    pub(crate) fn running(&self, prediction: Option<char>) -> io::Result<()> {
        self.shown.set(0);
        match prediction {
            Some(letter) => self.say(format!("Your prediction: {letter}. Running the experiment ...\n")),
            None => self.say("Running the experiment ...\n"),
        }
    }

    /// Prints the result of the experiment: evidence, answer, explanation and checks.
    pub(crate) fn result(
        &self,
        lesson: &Lesson,
        finding: &Finding,
        prediction: Option<char>,
    ) -> io::Result<()> {
        self.evidence(lesson, finding, prediction)?;
        // The explanation would scroll the evidence up the screen.
        self.pause("what it shows")?;
        self.explanation(lesson, finding)
    }

    /// Prints the evidence and the answer to the question.
    fn evidence(&self, lesson: &Lesson, finding: &Finding, prediction: Option<char>) -> io::Result<()> {
        self.say(Styled::strong("Measured on this machine, just now"))?;
        for table in &finding.tables {
            self.say(format!("{}\n", indented(&table.fit(self.columns - 2))))?;
        }
        let answer = self.answer(lesson, finding, prediction);
        // In one piece with the answer: a pause for two more lines would only disturb.
        let shown = match &finding.chart {
            Some(chart) => {
                Styled::chart(chart, self.columns, CHART_ROWS, colour()).then(format!("\n{answer}\n"))
            }
            None => format!("{answer}\n").into(),
        };
        self.say(shown)
    }

    /// Prints the explanation, the claims, and what to try next.
    fn explanation(&self, lesson: &Lesson, finding: &Finding) -> io::Result<()> {
        self.say(Styled::strong("What it shows"))?;
        if finding.holds() {
            for paragraph in &finding.explanation {
                self.say(format!("{}\n", self.hanging("  ", paragraph)))?;
            }
        } else {
            self.say("  The experiment did not show what it should, so there is no explanation.\n")?;
        }
        let claims = finding.claims.iter().map(|claim| {
            let mark = if claim.holds { "  ok      " } else { "  FAILED  " };
            self.hanging(mark, &format!("{} (measured: {})", claim.claim, claim.measured))
        });
        self.section("Checks", "the checks", claims)?;
        let next = lesson.next.iter().map(|(command, shows)| {
            let command = continued(&renamed(command, called()), self.columns - 2);
            format!("  {command}\n{}", self.hanging("      ", &renamed(shows, called())))
        });
        self.section("Try next", "what to try next", next)
    }

    /// Waits for Enter if the reader is interactive. `what` names the next part.
    fn pause(&self, what: &str) -> io::Result<()> {
        if self.rows.is_none() {
            return Ok(());
        }
        prompt(format_args!("Enter: {what} "));
        io::stdin().lock().read_line(&mut String::new())?;
        self.shown.set(0);
        Ok(())
    }

    /// Prints a part with its heading and an empty line after it, in one piece.
    fn section(&self, title: &str, what: &str, lines: impl Iterator<Item = String>) -> io::Result<()> {
        let lines: Vec<String> = lines.collect();
        let text = Styled::strong(title).then(format!("\n{}\n", lines.join("\n")));
        self.make_room(text.rows(), what)?;
        self.say(text)
    }

    fn say(&self, text: impl Into<Styled>) -> io::Result<()> {
        if self.reader == Reader::Program {
            return Ok(());
        }
        let text = text.into();
        if !text.is_empty() {
            self.make_room(text.rows(), "more")?;
        }
        self.shown.set(self.shown.get() + text.rows());
        ignore_broken_pipe(print_styled(&text))
    }

    /// Pauses before a text of `lines` if it would scroll unread lines off the screen.
    fn make_room(&self, lines: usize, what: &str) -> io::Result<()> {
        let fits = self.rows.is_none_or(|rows| self.shown.get() + lines < rows);
        if fits || self.shown.get() == 0 { Ok(()) } else { self.pause(what) }
    }

    /// The answer, compared with the prediction if there is one.
    fn answer(&self, lesson: &Lesson, finding: &Finding, prediction: Option<char>) -> String {
        let choice = |letter: char| {
            let found = lesson.question.lettered().find(|&(other, _)| other == letter);
            found.map_or_else(String::new, |(_, text)| format!("{letter}) {text}"))
        };
        let text = match (prediction, finding.measured) {
            (Some(said), Some(measured)) if said == measured => {
                format!("You said {said}, and that is right: {}.", choice(said))
            }
            (Some(said), Some(measured)) => format!("You said {said}; measured: {}.", choice(measured)),
            (None, Some(measured)) => format!("The answer: {}.", choice(measured)),
            (_, None) => "The measurement matches none of the answers.".to_owned(),
        };
        self.hanging("", &text)
    }

    /// Code, wrapped only for a terminal: elsewhere it must stay as it is.
    fn code(&self, code: &str) -> String {
        if io::stdout().is_terminal() { wrap_code(code, self.columns) } else { code.to_owned() }
    }

    /// Text after a mark or blanks, with its continuation lines aligned to its first line.
    fn hanging(&self, mark: &str, text: &str) -> String {
        let lines = wrap(text, self.columns - mark.len());
        format!("{mark}{}", lines.join(&format!("\n{}", " ".repeat(mark.len()))))
    }
}

/// Columns of text: two fewer than the terminal has, within bounds that can be read and pasted into a mail.
pub(super) fn columns() -> usize {
    if io::stdout().is_terminal() { terminal_size().0.clamp(NARROWEST, WIDEST) - 2 } else { WIDEST - 2 }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Columns of the narrowest and of the widest terminal that text is laid out for.
const NARROWEST: usize = 60;
const WIDEST: usize = 80;

/// Rows of a chart: with the table above it and the answer below it fits on a screen.
const CHART_ROWS: usize = 12;
