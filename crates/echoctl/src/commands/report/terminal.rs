//! Prints charts and tables for a terminal or a log.

use std::io;

use echoctl_report::{Chart, Table, plain};

use crate::output::Styled;
use crate::output::{colour, print, print_styled, terminal_size};

/// How charts are drawn on stdout.
pub(crate) struct Terminal {
    columns: usize,
    is_plain: bool,
}

impl Terminal {
    /// For the terminal of this process; only ASCII if `is_plain`.
    pub(crate) fn new(is_plain: bool) -> Terminal {
        Terminal { columns: terminal_size().0.clamp(40, 120), is_plain }
    }

    /// A chart and its description.
    pub(crate) fn chart(&self, chart: &Chart) -> io::Result<()> {
        let drawn = match self.is_plain {
            true => plain::draw(chart, self.columns, ROWS).into(),
            false => Styled::chart(chart, self.columns, ROWS, colour()),
        };
        let words = echoctl_report::wrap(&chart.description, self.columns.min(100));
        print_styled(&drawn.then(self.words(&words.join("\n"))).then("\n"))
    }

    /// A table under its caption.
    pub(crate) fn table(&self, table: &Table) -> io::Result<()> {
        if !table.caption.is_empty() {
            print(format_args!("{}:\n", self.words(&table.caption)))?;
        }
        print(self.words(&table.to_text()))
    }

    /// A sentence.
    pub(crate) fn sentence(&self, text: &str) -> io::Result<()> {
        print(self.words(&echoctl_report::wrap(text, self.columns.min(100)).join("\n")))
    }

    fn words(&self, text: &str) -> String {
        if self.is_plain { plain::text(text) } else { text.to_owned() }
    }
}

/// Rows of a chart: enough for five bands and their key, and few enough for a terminal of 24 rows with the description.
const ROWS: usize = 19;
