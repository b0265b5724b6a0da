//! The transcript: a lesson as it is read in a terminal, at most 78 columns wide, or in a log.
//!
//! Who is asked reads along, on a screen of perhaps 24 lines: so it stops before a part that would push what is not yet
//! read off the screen. Where nobody is asked it never stops.

use std::cell::Cell;
use std::io::{self, BufRead, IsTerminal};

use echoctl_lab::kit::{Finding, Lesson, Setting, wrap};
use echoctl_lab::lessons;

use crate::output::Styled;
use crate::output::{colour, ignore_broken_pipe, print_styled, prompt, terminal_size};

/// Prints a lesson part by part, or nothing where the output is JSON.
pub(crate) struct Transcript {
    silent: bool,
    /// The lines of the screen, where somebody reads along.
    rows: Option<usize>,
    /// Lines since the reader was last waited for.
    shown: Cell<usize>,
}

impl Transcript {
    /// A transcript that prints nothing if `silent`, and waits for its reader if `is_asked`.
    pub(crate) fn new(silent: bool, is_asked: bool) -> Transcript {
        let reads_along = is_asked && !silent && io::stdout().is_terminal();
        Transcript { silent, rows: reads_along.then(|| terminal_size().1), shown: Cell::new(0) }
    }

    /// The name, the idea, and the question with its choices.
    pub(crate) fn question(&self, lesson: &Lesson, setting: &Setting) -> io::Result<()> {
        let number = lessons::ALL.iter().position(|other| other.name == lesson.name).map_or(0, |at| at + 1);
        let title = format!("Lesson {number} of {}: {}", lessons::ALL.len(), lesson.name);
        self.say(Styled::strong(title))?;
        self.say(paragraph(lesson.idea, ""))?;
        self.say("")?;
        if let Some(before) = lesson.before {
            for part in before(setting).split("\n\n") {
                self.say(format!("{part}\n"))?;
            }
        }
        self.say(Self::question_text(lesson))?;
        self.say("")
    }

    /// The question with its choices, as text.
    pub(crate) fn question_text(lesson: &Lesson) -> String {
        let choices =
            lesson.question.lettered().map(|(letter, choice)| hanging(&format!("  {letter}) "), choice));
        let choices: Vec<String> = choices.collect();
        format!("{}\n{}", paragraph(lesson.question.text, ""), choices.join("\n"))
    }

    /// That the experiment runs now. Whoever was asked has answered, and so has read what stands above.
    pub(crate) fn running(&self, prediction: Option<char>) -> io::Result<()> {
        self.shown.set(0);
        match prediction {
            Some(letter) => self.say(format!("You say {letter}. The experiment runs ...\n")),
            None => self.say("The experiment runs ...\n"),
        }
    }

    /// The evidence, and the answer to the question.
    pub(crate) fn evidence(
        &self,
        lesson: &Lesson,
        finding: &Finding,
        prediction: Option<char>,
    ) -> io::Result<()> {
        self.heading("Measured on this machine, just now")?;
        for table in &finding.tables {
            self.say(format!("{}\n", indented(&table.to_string())))?;
        }
        let answer = answer(lesson, finding, prediction);
        // In one piece with the answer, so that nobody has to wait for two more lines.
        let shown = match &finding.chart {
            Some(chart) => Styled::chart(chart, WIDTH, CHART_ROWS, colour()).then(format!("\n{answer}\n")),
            None => format!("{answer}\n").into(),
        };
        self.say(shown)
    }

    /// The explanation, the claims, and what to try next.
    pub(crate) fn explanation(&self, lesson: &Lesson, finding: &Finding) -> io::Result<()> {
        self.heading("What it shows")?;
        if finding.holds() {
            for told in &finding.explanation {
                self.say(format!("{}\n", paragraph(told, "  ")))?;
            }
        } else {
            self.say("  Not what it was meant to: see below. The explanation is left out.\n")?;
        }
        let claims = finding.claims.iter().map(|claim| {
            let mark = if claim.holds { "  holds  " } else { "  FAILS  " };
            hanging(mark, &format!("{} (seen: {})", claim.claim, claim.measured))
        });
        self.section("Checked", "what was checked", claims)?;
        let next =
            lesson.next.iter().map(|(command, shows)| format!("  {command}\n{}", paragraph(shows, "      ")));
        self.section("Try next", "what to try next", next)
    }

    /// Waits for Enter where somebody reads along: what comes next is `what`.
    pub(crate) fn pause(&self, what: &str) -> io::Result<()> {
        if self.rows.is_none() {
            return Ok(());
        }
        prompt(format_args!("Enter: {what} "));
        io::stdin().lock().read_line(&mut String::new())?;
        self.shown.set(0);
        Ok(())
    }

    /// A part with its heading and an empty line behind it, in one piece.
    fn section(&self, title: &str, what: &str, lines: impl Iterator<Item = String>) -> io::Result<()> {
        let lines: Vec<String> = lines.collect();
        let text = Styled::strong(title).then(format!("\n{}\n", lines.join("\n")));
        self.make_room(text.rows(), what)?;
        self.say(text)
    }

    fn heading(&self, text: &str) -> io::Result<()> {
        self.say(Styled::strong(text))
    }

    fn say(&self, text: impl Into<Styled>) -> io::Result<()> {
        if self.silent {
            return Ok(());
        }
        let text = text.into();
        if !text.is_empty() {
            self.make_room(text.rows(), "more")?;
        }
        self.shown.set(self.shown.get() + text.rows());
        ignore_broken_pipe(print_styled(&text))
    }

    /// Waits before a text of `lines` where it would push lines that are not yet read off the screen.
    fn make_room(&self, lines: usize, what: &str) -> io::Result<()> {
        let fits = self.rows.is_none_or(|rows| self.shown.get() + lines < rows);
        if fits || self.shown.get() == 0 { Ok(()) } else { self.pause(what) }
    }
}

/// "You said b; measured c", or what was measured where nothing was said.
fn answer(lesson: &Lesson, finding: &Finding, prediction: Option<char>) -> String {
    let choice = |letter: char| {
        let found = lesson.question.lettered().find(|&(other, _)| other == letter);
        found.map_or_else(String::new, |(_, text)| format!("{letter}) {text}"))
    };
    let text = match (prediction, finding.measured) {
        (Some(said), Some(measured)) if said == measured => {
            format!("You said {said}, and so it is: {}.", choice(said))
        }
        (Some(said), Some(measured)) => format!("You said {said}; measured: {}.", choice(measured)),
        (None, Some(measured)) => format!("The answer: {}.", choice(measured)),
        (_, None) => "None of the answers is what was measured.".to_owned(),
    };
    paragraph(&text, "")
}

fn paragraph(text: &str, indentation: &str) -> String {
    let lines = wrap(text, WIDTH - indentation.len());
    lines.iter().map(|line| format!("{indentation}{line}")).collect::<Vec<_>>().join("\n")
}

/// Text behind a mark, its further lines as far in as its first.
fn hanging(mark: &str, text: &str) -> String {
    let lines = wrap(text, WIDTH - mark.len());
    format!("{mark}{}", lines.join(&format!("\n{}", " ".repeat(mark.len()))))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Two less than the narrowest terminal, which also leaves room to paste the text into a mail.
const WIDTH: usize = 78;

/// Rows of a chart: with the table above it and the answer below it fits on a screen.
const CHART_ROWS: usize = 12;
