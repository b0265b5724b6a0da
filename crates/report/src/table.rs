//! A table: a head and rows of text, for pages and terminals.

use echoctl_record::printable;

/// Rows under a head. The first column names the row; columns whose fields begin with digits are set to the right.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// The names of the columns; none for a table of names and values.
    pub head: Vec<String>,
    /// The rows, each as long as the head where there is one.
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

    /// Whether a column holds figures and nothing else; an empty field is no obstacle.
    pub(crate) fn is_figures(&self, column: usize) -> bool {
        let fields = || self.rows.iter().filter_map(|row| row.get(column)).filter(|field| !field.is_empty());
        let is_figure = |field: &String| {
            let unsigned = field.trim_start_matches(['-', '+', '−']);
            unsigned.starts_with(|first: char| first.is_ascii_digit()) && field.len() < 16
        };
        column > 0 && fields().next().is_some() && fields().all(|field| is_figure(field) || is_absent(field))
    }

    /// The table in columns of text, two blanks apart, each row ended by a line feed. A field longer than `WIDEST` sticks out
    /// of its column, instead of widening all rows.
    pub fn to_text(&self) -> String {
        let rows = || self.rows.iter().chain((!self.head.is_empty()).then_some(&self.head));
        let columns = rows().map(Vec::len).max().unwrap_or(0);
        // A field is one line; replaced one for one, it has the length that it will have on a terminal.
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

/// Whether a field says that there is no figure.
pub(crate) fn is_absent(field: &str) -> bool {
    field.is_empty() || field == ABSENT
}

/// Columns of text that a table makes room for: more than any figure or address, less than a command line.
const WIDEST: usize = 100;

/// What stands where a figure is not to be had.
pub(crate) const ABSENT: &str = "not visible";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right_and_names_to_the_left() {
        let table = Table::new("t", ["queue", "bytes"]).row(["inside", "9 KiB"]).row(["send", "120 KiB"]);

        assert_eq!(table.to_text(), "queue     bytes\ninside    9 KiB\nsend    120 KiB\n");
    }

    #[test]
    fn a_field_stays_on_its_line_whatever_it_holds() {
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
    fn tables_without_rows_or_head_are_no_trouble() {
        assert_eq!(Table::default().to_text(), "");
        assert_eq!(Table::new("t", ["a"]).to_text(), "a\n");
        assert_eq!(Table::default().row(["kernel", "6.18"]).row(["cpus"]).to_text(), "kernel  6.18\ncpus\n");
    }
}
