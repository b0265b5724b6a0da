//! The CSV writer (RFC 4180): all numbers of a chart, as they were measured.

use std::borrow::Cow;

use crate::columns::Columns;
use crate::{Chart, Unit};

/// A header, then one row for each time at which any series has a point. Seconds and values are plain numbers in the
/// chart's unit, for programs to read; a series has an empty field where it has no value.
pub fn write(chart: &Chart) -> String {
    let unit = match chart.unit {
        Unit::Bytes => " (bytes)",
        Unit::Rate => " (bytes per second)",
        Unit::Seconds => " (seconds)",
        Unit::Plain => "",
    };
    let names = chart.series.iter().map(|series| format!("{}{unit}", series.label));
    let mut out = row(std::iter::once("seconds".to_owned()).chain(names));
    for (t, values) in Columns::of(chart, usize::MAX).rows {
        let values = values.into_iter().map(|value| value.map_or_else(String::new, number));
        out.push_str(&row(std::iter::once(number(t)).chain(values)));
    }
    out
}

/// One row with its line end.
pub(crate) fn row(fields: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = fields.map(|field| quote(&field).into_owned()).collect();
    quoted.join(",") + "\r\n"
}

/// A field that readers take as text and spreadsheets never as a formula.
fn quote(field: &str) -> Cow<'_, str> {
    let is_number = field.parse::<f64>().is_ok();
    if !is_number && field.starts_with(['=', '+', '-', '@']) {
        return format!("\"'{}\"", field.replace('"', "\"\"")).into();
    }
    if field.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", field.replace('"', "\"\"")).into();
    }
    field.into()
}

/// At most six decimals, and none that are 0.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ink, Series, Stroke};

    #[test]
    fn every_number_is_written_and_every_name_stays_one_field() {
        let chart = Chart::bands("b", Unit::Bytes)
            .series(Series::new("a, \"b\"", Ink::Blue, Stroke::Solid, vec![(0.05, 1.0), (0.1, 2.5)]))
            .series(Series::new("=cmd()", Ink::Blue, Stroke::Solid, vec![(0.1, -3.0)]));

        assert_eq!(
            write(&chart),
            "seconds,\"a, \"\"b\"\" (bytes)\",\"'=cmd() (bytes)\"\r\n0.05,1,\r\n0.1,2.5,-3\r\n"
        );
    }
}
