//! Prints charts and tables for a terminal or a log.

use std::io;

use echoctl_report::{Chart, Table, wrap};

use crate::output::Styled;
use crate::output::{colour, print, print_styled, terminal_size};

/// How charts are drawn on stdout.
pub(crate) struct Terminal {
    columns: usize,
}

impl Terminal {
    /// For the terminal of this process.
    pub(crate) fn new() -> Terminal {
        Terminal { columns: terminal_size().0.clamp(40, 120) }
    }

    /// A chart and its description.
    pub(crate) fn chart(&self, chart: &Chart) -> io::Result<()> {
        let words = wrap(&chart.description, self.columns.min(100)).join("\n");
        print_styled(&Styled::chart(chart, self.columns, ROWS, colour()).then(words).then("\n"))
    }

    /// A table under its caption.
    pub(crate) fn table(&self, table: &Table) -> io::Result<()> {
        if !table.caption.is_empty() {
            print(format_args!("{}:\n", table.caption))?;
        }
        print(table.to_text())
    }

    /// A sentence.
    pub(crate) fn sentence(&self, text: &str) -> io::Result<()> {
        print(wrap(text, self.columns.min(100)).join("\n"))
    }
}

/// Rows of a chart: enough for five bands and their key, and few enough for a terminal of 24 rows with the description.
const ROWS: usize = 19;
