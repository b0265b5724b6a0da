//! What the demo prints when it is over: the picture, where the bytes were, why, and what to try next.

use std::io;
use std::path::Path;

use echoctl_lab::demo::{self, Outcome, story};
use echoctl_lab::kit::wrap;

use crate::output;
use crate::output::Styled;

/// Prints the result for people to stdout. Where the live view was shown its last frame, with the chart, still stands.
pub(super) fn print(outcome: &Outcome, guess: Option<char>, page: Option<&Path>) -> io::Result<()> {
    let (columns, _) = output::terminal_size();
    let width = columns.clamp(60, 100);
    let paragraph = |text: &str| output::print(format_args!("{}\n", wrap(text, width).join("\n")));

    if !output::is_live() {
        let chart = demo::memory_chart(&outcome.plan, &outcome.off.samples, &outcome.on.samples);
        output::print_styled(&Styled::chart(&chart, width, CHART_ROWS, output::colour()))?;
    }
    let table = demo::where_the_bytes_were(outcome);
    output::print(format_args!("\n{}:\n\n{}", table.caption, table.to_text()))?;
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
        output::print(format_args!("  {command:<36}  {what}"))?;
    }
    if let Some(page) = page {
        output::print(format_args!("\nThe same as a page, with all figures: {}", page.display()))?;
    }
    Ok(())
}

/// High enough to read the shape, low enough to leave the figures on the same screen.
const CHART_ROWS: usize = 16;
