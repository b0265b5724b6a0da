//! A table of text, for pages and terminals.

use std::fmt::Display;

use echoctl_record::printable;

use super::wrap;

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
    pub fn new<F: Display>(caption: impl Into<String>, head: impl IntoIterator<Item = F>) -> Table {
        Table { caption: caption.into(), head: texts(head), rows: Vec::new() }
    }

    /// Adds a row; fields missing at its end are empty.
    #[must_use]
    pub fn row<F: Display>(mut self, fields: impl IntoIterator<Item = F>) -> Table {
        let mut row = texts(fields);
        row.resize(row.len().max(self.head.len()), String::new());
        self.rows.push(row);
        self
    }

    /// Adds a row of a name and its value, if there is one.
    #[must_use]
    pub fn entry<V: Display>(self, name: &str, value: Option<V>) -> Table {
        match value {
            Some(value) => self.row([name.to_owned(), value.to_string()]),
            None => self,
        }
    }

    /// The table as columns of text, two spaces apart, each row ended by a line feed. A field longer than `WIDEST` exceeds its
    /// column instead of widening all rows.
    pub fn to_text(&self) -> String {
        let mut columns = self.columns();
        columns.iter_mut().for_each(|column| column.width = column.width.min(WIDEST));
        let head = (!self.head.is_empty()).then_some(&self.head);
        let rows = head.into_iter().chain(&self.rows);
        rows.map(|row| line(row.iter().map(String::as_str), &columns, NARROW_GAP) + "\n").collect()
    }

    /// The table as [`Table::to_text`] prints it, or where that is wider than `width`, with fields that wrap at spaces.
    pub fn to_text_within(&self, width: usize) -> String {
        let text = self.to_text();
        if text.lines().all(|line| length(line) <= width) {
            return text;
        }
        let columns = self.columns_within(width, NARROW_GAP);
        let head = (!self.head.is_empty()).then_some(&self.head);
        let rows = head.into_iter().chain(&self.rows);
        rows.flat_map(|row| wrapped(row, &columns, NARROW_GAP)).map(|line| line + "\n").collect()
    }

    /// The table with a rule below its head, as text of at most `width` columns where its words allow it: fields wrap at spaces.
    pub fn fit(&self, width: usize) -> String {
        let columns = self.columns_within(width, GAP);
        let rule = columns.iter().map(|column| "-".repeat(column.width)).collect();
        let rows = [&self.head, &rule].into_iter().chain(&self.rows);
        rows.flat_map(|row| wrapped(row, &columns, GAP)).collect::<Vec<_>>().join("\n")
    }

    /// Columns that have at most `width` together, where their words allow it.
    fn columns_within(&self, width: usize, gap: &str) -> Vec<Column> {
        let mut columns = self.columns();
        let gaps = gap.len() * columns.len().saturating_sub(1);
        while columns.iter().map(|column| column.width).sum::<usize>() + gaps > width {
            let can_shrink = columns.iter_mut().filter(|column| column.width > column.longest_word);
            let Some(widest) = can_shrink.max_by_key(|column| column.width) else { break };
            widest.width -= 1;
        }
        columns
    }

    fn columns(&self) -> Vec<Column> {
        let rows = || self.rows.iter().chain([&self.head]);
        let number = rows().map(Vec::len).max().unwrap_or(0);
        let column = |at: usize| {
            let fields = || rows().filter_map(|row| row.get(at));
            let longest_word = |field: &String| wrap(field, 1).iter().map(|word| length(word)).max();
            Column {
                width: fields().map(|field| length(field)).max().unwrap_or(0),
                longest_word: fields().filter_map(longest_word).max().unwrap_or(0),
                is_figures: self.is_figures(at),
            }
        };
        (0..number).map(column).collect()
    }

    /// Whether a column contains only figures and fields without one.
    pub(crate) fn is_figures(&self, column: usize) -> bool {
        let fields = || self.rows.iter().filter_map(|row| row.get(column)).filter(|field| !field.is_empty());
        let is_figure = |field: &String| {
            let unsigned = field.trim().trim_start_matches(['-', '+', '−']);
            let is_short = field.len() < 16 && unsigned.split(' ').count() <= 2;
            // Not an address.
            let is_number = !unsigned.contains(':') && unsigned.matches('.').count() < 2;
            is_short && is_number && unsigned.starts_with(|first: char| first.is_ascii_digit())
        };
        fields().next().is_some() && fields().all(|field| is_figure(field) || is_absent(field))
    }
}

/// How a column is printed.
struct Column {
    width: usize,
    /// The least width that breaks no word.
    longest_word: usize,
    is_figures: bool,
}

/// One line: figures are right-aligned, words left-aligned.
fn line<'a>(fields: impl Iterator<Item = &'a str>, columns: &[Column], gap: &str) -> String {
    let fields = fields.zip(columns).map(|(field, &Column { width, is_figures, .. })| match is_figures {
        true => format!("{:>width$}", printable(field)),
        false => format!("{:<width$}", printable(field)),
    });
    fields.collect::<Vec<_>>().join(gap).trim_end().to_owned()
}

/// A row as one or more lines.
fn wrapped(row: &[String], columns: &[Column], gap: &str) -> Vec<String> {
    let fitted = |(field, column): (&String, &Column)| match length(field) <= column.width {
        true => vec![field.clone()],
        false => {
            let indent = length(field) - length(field.trim_start());
            let lines = wrap(field, column.width.saturating_sub(indent));
            lines.into_iter().map(|line| format!("{:indent$}{line}", "")).collect()
        }
    };
    let fields: Vec<Vec<String>> = row.iter().zip(columns).map(fitted).collect();
    let height = fields.iter().map(Vec::len).max().unwrap_or(0);
    let part = |at: usize| fields.iter().map(move |field| field.get(at).map_or("", String::as_str));
    (0..height).map(|at| line(part(at), columns, gap)).collect()
}

fn texts(fields: impl IntoIterator<Item = impl Display>) -> Vec<String> {
    fields.into_iter().map(|field| field.to_string()).collect()
}

/// Columns of a field on a terminal: control characters are replaced one by one.
fn length(field: &str) -> usize {
    field.chars().count()
}

/// A value as the text of a field, which says so where it is not visible.
pub fn shown(value: Option<impl Display>) -> String {
    value.map_or_else(|| ABSENT.to_owned(), |value| value.to_string())
}

/// Whether a field has no figure.
pub(crate) fn is_absent(field: &str) -> bool {
    ["", ABSENT, NOT_RUN].contains(&field)
}

/// Maximum width of a column: more than any figure or address, less than a command line.
const WIDEST: usize = 100;

/// Between two columns.
const NARROW_GAP: &str = "  ";

/// Between two columns of a table that is fitted.
const GAP: &str = "   ";

/// The text of a field without a figure.
pub(crate) const ABSENT: &str = "not visible";

/// The field of a measurement that was not made.
pub const NOT_RUN: &str = "not run";

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

    #[test]
    fn a_fitted_table_has_a_rule_below_its_head() {
        let table = Table::new("", ["what", "reads"]).row(["slow", "10"]).row(["back to back", "2"]);

        let expected =
            "what           reads\n------------   -----\nslow              10\nback to back       2";
        assert_eq!(table.fit(usize::MAX), expected);
    }

    #[test]
    fn a_table_that_is_too_wide_wraps_its_widest_column() {
        let table = Table::new("", ["what", "reads"]).row(["slow", "10"]).row(["as fast as it can", "2"]);

        let expected =
            "what         reads\n----------   -----\nslow            10\nas fast as       2\nit can";
        assert_eq!(table.fit(18), expected);
        assert_eq!(table.fit(18).lines().map(str::len).max(), Some(18));
        assert_eq!(table.fit(3).lines().next(), Some("what   reads"), "no word is broken");
    }

    #[test]
    fn a_wrapped_field_stays_indented() {
        let table = Table::new("", ["queue", "bytes"]).row(["  inside the server", "2"]);

        assert_eq!(table.to_text_within(30), table.to_text());
        assert_eq!(table.to_text_within(20), "queue          bytes\n  inside the       2\n  server\n");
        assert_eq!(table.fit(22).lines().skip(2).collect::<Vec<_>>(), ["  inside the         2", "  server"]);
    }
}
