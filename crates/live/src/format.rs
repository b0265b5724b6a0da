//! The two formats of metrics: OpenMetrics, and the older text format of Prometheus (version 0.0.4).
//!
//! As with Prometheus's own libraries, a client gets OpenMetrics only if it asks for it: what reads the older one, such as
//! `promtool check metrics` or a person, often asks for nothing.

use std::fmt::Write;

/// A format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    /// Version 0.0.4.
    Text,
}

impl Format {
    /// What the `Accept` field of a request prefers.
    pub(crate) fn preferred(accept: &str) -> Format {
        let weight =
            |name: &str| accept.split(',').filter_map(|range| weight_of(range, name)).fold(0.0, f64::max);
        let openmetrics = weight("application/openmetrics-text");
        if openmetrics > 0.0 && openmetrics >= weight("text/plain") {
            Format::OpenMetrics
        } else {
            Format::Text
        }
    }

    /// Its media type.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The weight (`q`) of a media range if it is this type, whatever its other parameters are.
fn weight_of(range: &str, name: &str) -> Option<f64> {
    let mut parts = range.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(name) {
        return None;
    }
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    // Not a number: as without one.
    Some(weight.and_then(|weight| weight.parse().ok()).unwrap_or(1.0))
}

/// The same metrics in the older text format, from OpenMetrics: it has no units, no mark of its end, and no type `info`, and names
/// a counter with its suffix `_total`.
pub(crate) fn to_text(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        let comment = line.strip_prefix("# ").map(|comment| comment.splitn(3, ' ').collect::<Vec<_>>());
        // Writing to a string does not fail.
        let _ = match comment.as_deref() {
            None => writeln!(text, "{line}"),
            // The type, which follows, decides the name.
            Some(["HELP", _, what]) => {
                help = Some(*what);
                Ok(())
            }
            Some(["TYPE", name, kind]) => {
                let (suffix, kind) = match *kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    other => ("", other),
                };
                let help = help.take().unwrap_or_default();
                writeln!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}")
            }
            Some(_) => Ok(()),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_the_format_that_it_prefers() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("Application/OpenMetrics-Text; version=1.0.0, text/plain", Format::OpenMetrics),
            ("text/plain;version=0.0.4", Format::Text),
            ("text/plain, application/openmetrics-text;q=0.9", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("*/*", Format::Text),
            ("", Format::Text),
            (";;,=,q=", Format::Text),
        ] {
            assert_eq!(Format::preferred(accept), format, "{accept}");
        }
    }

    #[test]
    fn the_text_format_names_counters_and_has_no_units() {
        let openmetrics = "# HELP a_bytes What a is.\n# TYPE a_bytes counter\n# UNIT a_bytes bytes\n\
                           a_bytes_total{l=\"# TYPE x\"} 5\n# HELP b The build.\n# TYPE b info\nb_info{v=\"1\"} 1\n\
                           # HELP c C.\n# TYPE c gauge\nc 2\n# EOF\n";

        let text = "# HELP a_bytes_total What a is.\n# TYPE a_bytes_total counter\na_bytes_total{l=\"# TYPE x\"} 5\n\
                    # HELP b_info The build.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n\
                    # HELP c C.\n# TYPE c gauge\nc 2\n";
        assert_eq!(to_text(openmetrics), text);
    }
}
