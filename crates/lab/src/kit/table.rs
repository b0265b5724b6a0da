//! A small table of evidence as text, with numbers right-aligned and words left-aligned.

use std::fmt;

use super::wrap;

/// Rows under named columns. Cells are text, with sizes already in units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows. The first column names what a row is about.
    pub fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Table {
        Table { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells at its end stay empty.
    #[must_use]
    pub fn row<C: fmt::Display>(mut self, cells: impl IntoIterator<Item = C>) -> Table {
        let mut cells: Vec<String> = cells.into_iter().map(|cell| cell.to_string()).collect();
        cells.resize(self.columns.len(), String::new());
        self.rows.push(cells);
        self
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows, each as long as the columns.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// Whether all filled cells of a column are a number, with a unit or without. [`NOT_RUN`] counts as empty.
    fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self
            .rows
            .iter()
            .map(|row| row[column].trim())
            .filter(|cell| !cell.is_empty() && *cell != NOT_RUN)
            .peekable();
        cells.peek().is_some()
            && cells
                .all(|cell| cell.starts_with(|c: char| c.is_ascii_digit()) && cell.split(' ').count() <= 2)
    }
}

/// The cell of a measurement that was not made.
pub const NOT_RUN: &str = "not run";

impl Table {
    /// The table as text of at most `width` columns where its words allow it: cells and headings wrap at spaces.
    pub fn fit(&self, width: usize) -> String {
        let layout: Vec<(usize, bool)> = self
            .widths(width)
            .into_iter()
            .enumerate()
            .map(|(at, width)| (width, self.is_numeric(at)))
            .collect();
        let rule: Vec<String> = layout.iter().map(|&(width, _)| "-".repeat(width)).collect();
        let rows = [&self.columns, &rule].into_iter().chain(&self.rows);
        let lines: Vec<String> = rows.flat_map(|row| lines(row, &layout)).collect();
        lines.join("\n")
    }

    /// The width of each column: what its cells need, or less where all of them would exceed `total`.
    fn widths(&self, total: usize) -> Vec<usize> {
        let cells =
            |column: usize| self.rows.iter().map(move |row| &row[column]).chain([&self.columns[column]]);
        let columns = 0..self.columns.len();
        let longest_word =
            |text: &String| wrap(text, 1).iter().map(|word| word.chars().count()).max().unwrap_or(0);
        let mut widths: Vec<usize> = columns
            .clone()
            .map(|column| cells(column).map(|cell| cell.chars().count()).max().unwrap_or(0))
            .collect();
        let least: Vec<usize> =
            columns.clone().map(|column| cells(column).map(longest_word).max().unwrap_or(0)).collect();
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > total {
            let widest = columns.clone().filter(|&at| widths[at] > least[at]).max_by_key(|&at| widths[at]);
            match widest {
                Some(at) => widths[at] -= 1,
                None => break,
            }
        }
        widths
    }
}

/// A row as one or more lines.
fn lines(row: &[String], layout: &[(usize, bool)]) -> Vec<String> {
    let fitted = |(cell, &(width, _)): (&String, &(usize, bool))| match cell.chars().count() <= width {
        true => vec![cell.clone()],
        false => wrap(cell, width),
    };
    let cells: Vec<Vec<String>> = row.iter().zip(layout).map(fitted).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let parts = cells.iter().zip(layout).map(|(cell, &(width, is_numeric))| {
            let part = cell.get(at).map_or("", String::as_str);
            if is_numeric { format!("{part:>width$}") } else { format!("{part:<width$}") }
        });
        parts.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fit(usize::MAX))
    }
}

/// Between two columns.
const GAP: &str = "   ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_right_aligned_and_words_left_aligned() {
        let table = Table::new(["what", "reads"]).row(["slow", "10"]).row(["back to back", "2"]);

        let expected =
            "what           reads\n------------   -----\nslow              10\nback to back       2";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_table_that_is_too_wide_wraps_its_widest_column() {
        let table = Table::new(["what", "reads"]).row(["slow", "10"]).row(["as fast as it can", "2"]);

        let expected =
            "what         reads\n----------   -----\nslow            10\nas fast as       2\nit can";
        assert_eq!(table.fit(18), expected);
        assert_eq!(table.fit(18).lines().map(str::len).max(), Some(18));
        assert_eq!(table.fit(3).lines().next(), Some("what   reads"), "no word is broken");
    }
}
