//! All values of all rounds, by row (a server) and column (a measured quantity).
//!
//! A ratio is computed within each round, from two values measured seconds apart; its median is taken afterwards. Whatever slows
//! the whole machine for a while slows both.

use std::fmt::{self, Display, Formatter};

use anyhow::Result;

use crate::server::Candidate;

/// Values by row, column and round.
#[derive(Debug)]
pub(crate) struct Results {
    rows: Vec<String>,
    columns: Vec<Column>,
    /// Per row and column, round by round; `None` where it could not be measured.
    cells: Vec<Vec<Vec<Option<f64>>>>,
}

/// A measured quantity, and how it is printed.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    name: String,
    decimals: usize,
    /// Whether its ratio to the first row is printed too.
    is_compared: bool,
}

impl Column {
    /// A column printed with its ratio to the first row.
    pub(crate) fn compared(name: impl Into<String>, decimals: usize) -> Column {
        Column { name: name.into(), decimals, is_compared: true }
    }

    /// A column of plain numbers.
    pub(crate) fn plain(name: impl Into<String>, decimals: usize) -> Column {
        Column { name: name.into(), decimals, is_compared: false }
    }
}

impl Results {
    /// An empty results.
    pub(crate) fn new(rows: impl IntoIterator<Item = impl Into<String>>, columns: Vec<Column>) -> Results {
        let rows: Vec<String> = rows.into_iter().map(Into::into).collect();
        let cells = vec![vec![Vec::new(); columns.len()]; rows.len()];
        Results { rows, columns, cells }
    }

    /// An empty results with a row for each of these servers.
    pub(crate) fn of(candidates: &[Candidate], columns: impl IntoIterator<Item = Column>) -> Results {
        Results::new(candidates.iter().map(|candidate| &candidate.name), columns.into_iter().collect())
    }

    /// Fills the columns from `first` on: in each of `rounds`, calls `measure` for every row (by number), which returns the
    /// values of adjacent columns. A row that cannot be measured stays empty, and a message is printed. Each round starts with a
    /// different row, and every second round runs in reverse order, so that no row always runs after the same one.
    pub(crate) fn fill(
        &mut self,
        first: usize,
        count: usize,
        rounds: usize,
        mut measure: impl FnMut(usize) -> Result<Vec<f64>>,
    ) {
        for round in 0..rounds {
            for step in 0..self.rows.len() {
                let rows = self.rows.len();
                let row =
                    (round * rows / rounds + if round % 2 == 0 { step } else { rows - 1 - step }) % rows;
                let values = measure(row).unwrap_or_else(|error| {
                    eprintln!("{}, {}: {error:#}", self.rows[row], self.columns[first].name);
                    Vec::new()
                });
                for column in 0..count {
                    self.cells[row][first + column].push(values.get(column).copied());
                }
            }
        }
    }

    /// The median of a cell.
    pub(crate) fn median(&self, row: usize, column: usize) -> Option<f64> {
        median(self.cells[row][column].iter().flatten().copied().collect())
    }

    /// The sum of a cell over all rounds, for what one round counts too coarsely.
    pub(crate) fn sum(&self, row: usize, column: usize) -> f64 {
        self.cells[row][column].iter().flatten().sum()
    }

    /// The median, over the rounds, of the ratio of two rows.
    pub(crate) fn ratio(&self, row: usize, base: usize, column: usize) -> Option<f64> {
        self.ratio_of((row, column), (base, column))
    }

    /// The same, for any two cells (row, column).
    pub(crate) fn ratio_of(&self, cell: (usize, usize), base: (usize, usize)) -> Option<f64> {
        let pairs = self.cells[cell.0][cell.1].iter().zip(&self.cells[base.0][base.1]);
        let ratio =
            |(value, base): (&Option<f64>, &Option<f64>)| Some((*value)? / base.filter(|base| *base != 0.0)?);
        median(pairs.filter_map(ratio).collect())
    }

    /// The difference between the first two rows, the same program twice, as a fraction: a smaller difference is noise.
    pub(crate) fn noise(&self, column: usize) -> f64 {
        self.ratio(1, 0, column).map_or(0.0, |ratio| (ratio - 1.0).abs().max((1.0 / ratio - 1.0).abs()))
    }

    /// The row with the largest median among `rows`.
    pub(crate) fn largest(&self, rows: impl IntoIterator<Item = usize>, column: usize) -> Option<usize> {
        self.medians(rows, column).max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(row, _)| row)
    }

    /// The row with the smallest median among `rows`.
    pub(crate) fn smallest(&self, rows: impl IntoIterator<Item = usize>, column: usize) -> Option<usize> {
        self.medians(rows, column).min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(row, _)| row)
    }

    fn medians(
        &self,
        rows: impl IntoIterator<Item = usize>,
        column: usize,
    ) -> impl Iterator<Item = (usize, f64)> {
        rows.into_iter().filter_map(move |row| Some((row, self.median(row, column)?)))
    }

    /// The number of a row.
    pub(crate) fn row(&self, name: &str) -> Option<usize> {
        self.rows.iter().position(|row| row == name)
    }

    /// The name of a row.
    pub(crate) fn name(&self, row: usize) -> &str {
        &self.rows[row]
    }
}

/// As a Markdown table.
impl Display for Results {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
        writeln!(f, "| | {} |\n|---|{}", names.join(" | "), "---:|".repeat(names.len()))?;
        for (row, name) in self.rows.iter().enumerate() {
            write!(f, "| {name} |")?;
            for (number, column) in self.columns.iter().enumerate() {
                match (self.median(row, number), self.ratio(row, 0, number)) {
                    (Some(value), Some(ratio)) if column.is_compared && row > 0 => {
                        write!(f, " {} ({ratio:.2}) |", grouped(value, column.decimals))?;
                    }
                    (Some(value), _) => write!(f, " {} |", grouped(value, column.decimals))?,
                    (None, _) => write!(f, " – |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// A number with commas between its thousands.
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut out = String::new();
    for (index, digit) in whole.char_indices() {
        if index > 0 && (whole.len() - index) % 3 == 0 && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_ratio_is_computed_within_each_round() {
        let mut results = Results::new(["a", "b"], vec![Column::compared("MiB/s", 0)]);
        // The machine is half as fast in the second round, for both, and b is always half as fast as a.
        let (speeds, mut calls) = ([1000.0, 500.0, 1200.0], 0);

        results.fill(0, 1, 3, |row| {
            calls += 1;
            Ok(vec![speeds[(calls - 1) / 2] / [1.0, 2.0][row]])
        });

        assert_eq!((results.median(0, 0), results.median(1, 0)), (Some(1000.0), Some(500.0)));
        assert_eq!(results.ratio(1, 0, 0), Some(0.5));
        assert_eq!(results.to_string(), "| | MiB/s |\n|---|---:|\n| a | 1,000 |\n| b | 500 (0.50) |\n");
    }

    #[test]
    fn unmeasured_cells_stay_empty() {
        let mut results = Results::new(["a", "b"], vec![Column::plain("p50", 1)]);

        results.fill(0, 1, 2, |row| if row == 1 { bail!("it does not run here") } else { Ok(vec![1.0]) });

        assert_eq!(
            (results.median(1, 0), results.ratio(1, 0, 0), results.largest([0, 1], 0)),
            (None, None, Some(0))
        );
        assert!(results.to_string().ends_with("| a | 1.0 |\n| b | – |\n"));
    }

    #[test]
    fn thousands_are_separated() {
        let printed = [0.0, 999.5, 1000.0, 1234567.0, -1234.0].map(|value| grouped(value, 0));

        assert_eq!(printed, ["0", "1,000", "1,000", "1,234,567", "-1,234"]);
    }
}
