//! The sheet: a lesson as it is read in a terminal, at most 78 columns wide, or in a log.

use std::io;

use console::Style;
use echoctl_lab::kit::{Finding, Lesson, Setting, wrap};
use echoctl_lab::lessons;
use echoctl_report::terminal;

use crate::output::{colour, may_colour, say};

/// Prints a lesson part by part, or nothing where the output is JSON.
pub(crate) struct Sheet {
    silent: bool,
    strong: Style,
}

impl Sheet {
    pub(crate) fn new(silent: bool) -> Sheet {
        Sheet { silent, strong: Style::new().bold().force_styling(may_colour()) }
    }

    /// The name, the idea, and the question with its choices.
    pub(crate) fn question(&self, lesson: &Lesson, setting: &Setting) -> io::Result<()> {
        let number = lessons::ALL.iter().position(|other| other.name == lesson.name).map_or(0, |at| at + 1);
        let title = format!("Lesson {number} of {}: {}", lessons::ALL.len(), lesson.name);
        self.say(&self.strong.apply_to(title).to_string())?;
        self.say(&paragraph(lesson.idea, ""))?;
        self.say("")?;
        if let Some(before) = lesson.before {
            self.say(&before(setting))?;
            self.say("")?;
        }
        self.say(&Self::question_text(lesson))?;
        self.say("")
    }

    /// The question with its choices, as text.
    pub(crate) fn question_text(lesson: &Lesson) -> String {
        let choices =
            lesson.question.lettered().map(|(letter, choice)| hanging(&format!("  {letter}) "), choice));
        let choices: Vec<String> = choices.collect();
        format!("{}\n{}", paragraph(lesson.question.text, ""), choices.join("\n"))
    }

    /// That the experiment runs now.
    pub(crate) fn running(&self, prediction: Option<char>) -> io::Result<()> {
        match prediction {
            Some(letter) => self.say(&format!("You say {letter}. The experiment runs ...\n")),
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
            self.say(&indented(&table.to_string()))?;
            self.say("")?;
        }
        if let Some(chart) = &finding.chart {
            self.say(&terminal::draw(chart, WIDTH, CHART_ROWS, colour()))?;
        }
        self.say(&answer(lesson, finding, prediction))?;
        self.say("")
    }

    /// The explanation, the claims, and what to try next.
    pub(crate) fn explanation(&self, lesson: &Lesson, finding: &Finding) -> io::Result<()> {
        self.heading("What it shows")?;
        if finding.holds() {
            for told in &finding.told {
                self.say(&paragraph(told, "  "))?;
                self.say("")?;
            }
        } else {
            self.say("  Not what it was meant to: see below. The explanation is left out.\n")?;
        }
        self.heading("Checked")?;
        for claim in &finding.claims {
            let mark = if claim.holds { "  holds  " } else { "  FAILS  " };
            self.say(&hanging(mark, &format!("{} (seen: {})", claim.claim, claim.seen)))?;
        }
        self.say("")?;
        self.heading("Try next")?;
        for (command, shows) in lesson.next {
            self.say(&format!("  {command}"))?;
            self.say(&paragraph(shows, "      "))?;
        }
        self.say("")
    }

    fn heading(&self, text: &str) -> io::Result<()> {
        self.say(&self.strong.apply_to(text).to_string())
    }

    fn say(&self, text: &str) -> io::Result<()> {
        if self.silent { Ok(()) } else { say(text) }
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
