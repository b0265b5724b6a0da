//! Values of all series at common times, for tables and CSV.

use crate::Chart;

/// Rows of a data table: a time, and the value of each series at it.
pub(crate) struct Columns {
    /// Seconds, and one value per series.
    pub(crate) rows: Vec<(f64, Vec<Option<f64>>)>,
    /// Number of different times of the chart.
    pub(crate) total: usize,
}

impl Columns {
    /// The values of `chart` at up to `most` of its times, evenly spaced, including the first and the last.
    pub(crate) fn of(chart: &Chart, most: usize) -> Columns {
        let mut times = chart.times();
        let total = times.len();
        if total > most {
            let last = (total - 1) as f64;
            let pick = |row: usize| times[(row as f64 * last / (most.max(2) - 1) as f64).round() as usize];
            times = (0..most.max(2)).map(pick).collect();
        }
        let rows = times.into_iter().map(|t| (t, chart.series.iter().map(|series| series.at(t)).collect()));
        Columns { rows: rows.collect(), total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ink, Series, Stroke, Unit};

    #[test]
    fn reduced_columns_include_both_ends_and_the_total() {
        let points = (0..1000).map(|i| (f64::from(i), f64::from(i) * 2.0)).collect();
        let chart = Chart::lines("l", Unit::Plain).series(Series::new("s", Ink::Blue, Stroke::Solid, points));

        let columns = Columns::of(&chart, 100);

        assert_eq!((columns.rows.len(), columns.total), (100, 1000));
        assert_eq!(columns.rows.first(), Some(&(0.0, vec![Some(0.0)])));
        assert_eq!(columns.rows.last(), Some(&(999.0, vec![Some(1998.0)])));
    }

    #[test]
    fn an_empty_chart_has_no_rows() {
        assert!(Columns::of(&Chart::lines("l", Unit::Plain), 10).rows.is_empty());
    }
}
