//! A small table of evidence, as text: numbers to the right, words to the left.

use std::fmt;

/// Rows under named columns. All cells are text that is already in the units people read.
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

    /// Adds a row; what is missing at its end is left empty.
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

    /// Whether all filled cells of a column are a number, with a unit or without.
    fn is_numeric(&self, column: usize) -> bool {
        let mut cells =
            self.rows.iter().map(|row| row[column].trim()).filter(|cell| !cell.is_empty()).peekable();
        cells.peek().is_some()
            && cells
                .all(|cell| cell.starts_with(|c: char| c.is_ascii_digit()) && cell.split(' ').count() <= 2)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.columns[column].chars().count()]).max().unwrap_or(0)
        };
        let layout: Vec<(usize, bool)> =
            (0..self.columns.len()).map(|column| (width(column), self.is_numeric(column))).collect();
        let rule: Vec<String> = layout.iter().map(|&(width, _)| "-".repeat(width)).collect();
        for (at, row) in [&self.columns, &rule].into_iter().chain(&self.rows).enumerate() {
            let cells = row.iter().zip(&layout).map(|(cell, &(width, numeric))| {
                if numeric { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            let line = cells.collect::<Vec<_>>().join("   ");
            write!(f, "{}{}", if at > 0 { "\n" } else { "" }, line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let table = Table::new(["what", "reads"]).row(["slow", "10"]).row(["back to back", "2"]);

        let expected =
            "what           reads\n------------   -----\nslow              10\nback to back       2";
        assert_eq!(table.to_string(), expected);
    }
}
