//! Prints charts and tables for a terminal or a log.

use std::io;

use echoctl_report::{Chart, Table, wrap};

use crate::output::Styled;
use crate::output::{colour, print, print_styled, terminal_size};

/// Prints a chart and its description.
pub(crate) fn chart(chart: &Chart) -> io::Result<()> {
    let words = wrap(&chart.description, columns().min(100)).join("\n");
    print_styled(&Styled::chart(chart, columns(), ROWS, colour()).then(words).then("\n"))
}

/// Prints a table under its caption.
pub(crate) fn table(table: &Table) -> io::Result<()> {
    if !table.caption.is_empty() {
        sentence(&format!("{}:", table.caption))?;
        print("")?;
    }
    print(table.to_text_within(columns()))
}

/// Prints a sentence.
pub(crate) fn sentence(text: &str) -> io::Result<()> {
    print(wrap(text, columns().min(100)).join("\n"))
}

/// Columns of the terminal, within bounds in which a chart can be read.
fn columns() -> usize {
    terminal_size().0.clamp(40, 120)
}

/// Rows of a chart: enough for five bands and their key, and few enough for a terminal of 24 rows with the description.
const ROWS: usize = 19;
