//! Writes all numbers of a chart or of a run as CSV (RFC 4180).

use std::borrow::Cow;

use echoctl_record::{Queues, Sample};

use crate::model::columns::Columns;
use crate::{Chart, Unit};

/// A header, then one row per time at which any series has a point. Seconds and values are plain numbers in the chart's unit; a
/// series without a value at that time has an empty field.
pub fn write(chart: &Chart) -> String {
    let unit = match chart.unit {
        Unit::Bytes => " (bytes)",
        Unit::Rate => " (bytes per second)",
        Unit::Seconds => " (seconds)",
        Unit::Plain => "",
    };
    let across = if chart.steps.is_empty() { "seconds" } else { "step" };
    let names = chart.series.iter().map(|series| format!("{}{unit}", series.label));
    let mut out = row(std::iter::once(across.to_owned()).chain(names));
    for (t, values) in Columns::of(chart, usize::MAX).rows {
        let values = values.into_iter().map(|value| value.map_or_else(String::new, number));
        out.push_str(&row(std::iter::once(number(t)).chain(values)));
    }
    out
}

/// The samples of a run as they were recorded, with the queues between their counters; fields that were not visible are empty.
pub fn samples(samples: &[Sample]) -> String {
    let mut out = row(SAMPLE_COLUMNS.iter().map(|name| (*name).to_owned()));
    for sample in samples {
        let queues = Queues::of(sample);
        let bytes = [
            Some(sample.connections.into()),
            Some(sample.produced),
            sample.server_received,
            sample.server_read,
            sample.server_written,
            sample.client_received,
            Some(sample.consumed),
            queues.client_send,
            queues.server_receive,
            queues.inside_server,
            queues.server_send,
            queues.client_receive,
            sample.server_memory,
            sample.kernel_memory,
            sample.window,
            sample.skew,
        ];
        let fields =
            bytes.map(|value: Option<u64>| value.map_or_else(String::new, |value| value.to_string()));
        out.push_str(&row(std::iter::once(number(sample.t)).chain(fields)));
    }
    out
}

/// One row with its line end.
fn row(fields: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = fields.map(|field| quote(&field).into_owned()).collect();
    quoted.join(",") + "\r\n"
}

/// A field that is text to every reader, and never a formula to a spreadsheet.
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

/// A number with at most six decimals and no trailing zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Names of the fields of a sample in JSON, and of its queues.
const SAMPLE_COLUMNS: [&str; 17] = [
    "t",
    "connections",
    "produced",
    "server_received",
    "server_read",
    "server_written",
    "client_received",
    "consumed",
    "client_send",
    "server_receive",
    "inside_server",
    "server_send",
    "client_receive",
    "server_memory",
    "kernel_memory",
    "window",
    "skew",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ink, Series, Stroke};

    #[test]
    fn every_number_is_written_and_every_name_is_one_field() {
        let chart = Chart::bands("b", Unit::Bytes)
            .series(Series::new("a, \"b\"", Ink::Blue, Stroke::Solid, vec![(0.05, 1.0), (0.1, 2.5)]))
            .series(Series::new("=cmd()", Ink::Blue, Stroke::Solid, vec![(0.1, -3.0)]));

        assert_eq!(
            write(&chart),
            "seconds,\"a, \"\"b\"\" (bytes)\",\"'=cmd() (bytes)\"\r\n0.05,1,\r\n0.1,2.5,-3\r\n"
        );
    }

    #[test]
    fn a_hidden_counter_leaves_its_column_empty() {
        let sample = Sample { t: 0.05, produced: 9, consumed: 4, window: Some(0), ..Sample::default() };

        let text = samples(&[sample]);

        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows[0].len(), rows[1].len());
        assert_eq!(
            (rows[1][0], rows[1][2], rows[1][3], rows[1][7], rows[1][15]),
            ("0.05", "9", "", "4", "0")
        );
    }
}
