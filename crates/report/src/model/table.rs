//! A table of text, for pages and terminals.

use echoctl_record::printable;

/// Rows under a head. The first column names the row; columns of figures are right-aligned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// Its caption.
    pub caption: String,
    /// The names of the columns; empty for a table of names and values.
    pub head: Vec<String>,
    /// The rows, each as long as the head, if there is one.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new<S: Into<String>>(caption: impl Into<String>, head: impl IntoIterator<Item = S>) -> Table {
        Table { caption: caption.into(), head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Table {
        self.rows.push(fields.into_iter().map(Into::into).collect());
        self
    }

    /// Whether a column contains only figures and empty fields.
    pub(crate) fn is_figures(&self, column: usize) -> bool {
        let fields = || self.rows.iter().filter_map(|row| row.get(column)).filter(|field| !field.is_empty());
        let is_figure = |field: &String| {
            let unsigned = field.trim_start_matches(['-', '+', '−']);
            unsigned.starts_with(|first: char| first.is_ascii_digit()) && field.len() < 16
        };
        column > 0 && fields().next().is_some() && fields().all(|field| is_figure(field) || is_absent(field))
    }

    /// The table as columns of text, two spaces apart, each row ended by a line feed. A field longer than `WIDEST` exceeds its
    /// column instead of widening all rows.
    pub fn to_text(&self) -> String {
        let rows = || self.rows.iter().chain((!self.head.is_empty()).then_some(&self.head));
        let columns = rows().map(Vec::len).max().unwrap_or(0);
        // Control characters are replaced one by one, so a field has this length on a terminal, too.
        let length = |field: &String| field.chars().count();
        let widths = (0..columns).map(|column| {
            rows().filter_map(|row| row.get(column)).map(length).max().unwrap_or(0).min(WIDEST)
        });
        let forms: Vec<(usize, bool)> = widths.zip((0..).map(|column| self.is_figures(column))).collect();
        let line = |row: &Vec<String>| {
            let fields = row.iter().zip(&forms).map(|(field, (width, is_figures))| match is_figures {
                true => format!("{:>width$}", printable(field)),
                false => format!("{:<width$}", printable(field)),
            });
            fields.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let head = (!self.head.is_empty()).then(|| line(&self.head));
        head.into_iter().chain(self.rows.iter().map(line)).collect()
    }
}

/// Whether a field has no figure.
pub(crate) fn is_absent(field: &str) -> bool {
    field.is_empty() || field == ABSENT
}

/// Maximum width of a column: more than any figure or address, less than a command line.
const WIDEST: usize = 100;

/// The text of a field without a figure.
pub(crate) const ABSENT: &str = "not visible";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_right_aligned_and_names_left_aligned() {
        let table = Table::new("t", ["queue", "bytes"]).row(["inside", "9 KiB"]).row(["send", "120 KiB"]);

        assert_eq!(table.to_text(), "queue     bytes\ninside    9 KiB\nsend    120 KiB\n");
    }

    #[test]
    fn a_field_is_one_line_whatever_it_contains() {
        let text = Table::default().row(["a\nb\u{1b}[2J", "1"]).row(["sent", "2"]).to_text();

        assert_eq!(text, "a␊b␛[2J  1\nsent     2\n");
    }

    #[test]
    fn a_long_field_widens_no_other_row() {
        let long = "x".repeat(1000);
        let text = Table::default().row([long.as_str(), "1"]).row(["sent", "2"]).to_text();

        assert_eq!(text.lines().map(str::len).collect::<Vec<_>>(), [1003, 103]);
    }

    #[test]
    fn tables_without_rows_or_head_are_printed() {
        assert_eq!(Table::default().to_text(), "");
        assert_eq!(Table::new("t", ["a"]).to_text(), "a\n");
        assert_eq!(Table::default().row(["kernel", "6.18"]).row(["cpus"]).to_text(), "kernel  6.18\ncpus\n");
    }
}
