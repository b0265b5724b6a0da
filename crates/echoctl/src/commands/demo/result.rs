//! Prints the result of the demo: the chart, where the bytes were, why, and what to try next.

use std::io;
use std::path::Path;

use echoctl_lab::demo::{self, Outcome, story};
use echoctl_report::wrap;

use crate::cli::called;
use crate::cli::help::renamed;
use crate::output;
use crate::output::Styled;

/// Prints the result as text to stdout. After a live view, its last frame with the chart is still on the screen.
pub(super) fn print(outcome: &Outcome, guess: Option<char>, page: Option<&Path>) -> io::Result<()> {
    let (columns, _) = output::terminal_size();
    let width = columns.clamp(60, 100) - 1;
    let paragraph = |words: &str| output::print(format_args!("{}\n", wrap(words, width).join("\n")));

    let chart = demo::memory_chart(&outcome.plan, &outcome.off.samples, &outcome.on.samples);
    // A live view has drawn it.
    if !output::is_live() {
        output::print_styled(&Styled::chart(&chart, width, CHART_ROWS, output::colour()))?;
    }
    let table = demo::where_the_bytes_were(outcome);
    let caption = wrap(&format!("{}:", table.caption), width).join("\n");
    output::print(format_args!("\n{caption}\n\n{}", table.to_text_within(width)))?;
    for explanation in story::explanation(outcome) {
        paragraph(&explanation)?;
    }
    paragraph(&story::conclusion(outcome))?;
    for problem in outcome.problems() {
        paragraph(&format!("This run does not show what it should. {problem}"))?;
    }
    if let Some(guess) = guess {
        paragraph(&story::feedback(guess, outcome))?;
    }
    output::print("Try next:")?;
    for (command, what) in story::NEXT {
        let command = renamed(command, called());
        // In one column as long as both fit.
        let line = format!("  {command:<36}  {what}");
        let fits = command.chars().count() <= 36 && line.chars().count() <= width;
        output::print(if fits { line } else { format!("  {command}\n      {what}") })?;
    }
    if let Some(page) = page {
        output::print(format_args!("\nThe same as a page, with all figures: {}", page.display()))?;
    }
    Ok(())
}

/// High enough to read the shape, low enough to leave the figures on the same screen.
const CHART_ROWS: usize = 16;
