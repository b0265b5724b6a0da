//! The text of the metrics, and that it is OpenMetrics whatever the names of processes are.
#![cfg(test)]

use std::collections::HashSet;

use echoctl_record::{OwnServerMetrics, QueueMetrics};

use super::*;

/// Everything visible.
fn listener(listen: &str, process: &str) -> ListenerMetrics {
    ListenerMetrics {
        listen: listen.to_owned(),
        process: process.to_owned(),
        connections: 3,
        send_queue: QueueMetrics { total: 500, max: 400 },
        receive_queue: QueueMetrics { total: 50, max: 40 },
        stalled_by_client: 2,
        stalled_by_server: 1,
        oldest_stall: 12.5,
        rwnd_limited: Some(34.25),
        sent: Some(1 << 60),
        received: Some(7),
        accept_queue: Some(5),
        accept_queue_limit: Some(128),
        anonymous_memory: Some(1 << 20),
    }
}

#[test]
fn the_text_has_each_metric_with_help_type_and_unit() {
    let figures = MetricsFigures {
        listeners: vec![listener("127.0.0.1:80", "nginx")],
        listeners_omitted: 9,
        tcp_memory: Some(4096),
        tcp_memory_pressure: Some(8192),
        own_server: Some(OwnServerMetrics { policy: "off".to_owned(), buffered: 11 }),
    };

    let text = text(figures);

    let expected = include_str!("expected.txt").replace("VERSION", env!("CARGO_PKG_VERSION"));
    assert_eq!(text, expected);
}

#[test]
fn what_is_not_visible_has_no_series() {
    let hidden = ListenerMetrics {
        rwnd_limited: None,
        sent: None,
        accept_queue: None,
        anonymous_memory: None,
        ..listener("[::]:22", "")
    };

    let text = text(MetricsFigures { listeners: vec![hidden], ..MetricsFigures::default() });

    let series: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for absent in ["rwnd_limited", "sent", "accept_queue{", "anonymous_memory", "tcp_memory"] {
        assert!(!series.iter().any(|line| line.contains(absent)), "{absent}: {series:#?}");
    }
    assert!(
        series.contains(&"tcp_listener_received_bytes_total{listen=\"[::]:22\",process=\"\"} 7"),
        "{series:#?}"
    );
}

#[test]
fn names_of_processes_cannot_add_lines_or_labels() {
    let hostile = ["a\"} 1\nx{y=\"", "back\\slash\\", "\u{1b}[2J\r\u{2028}", "ünïcode"];
    let listeners = hostile.iter().map(|name| listener("127.0.0.1:1", name)).collect();

    let parsed = parse(&text(MetricsFigures { listeners, ..MetricsFigures::default() }));

    for name in hostile {
        let label = ("process".to_owned(), name.to_owned());
        assert_eq!(parsed.iter().filter(|series| series.labels.contains(&label)).count(), 14, "{name:?}");
    }
}

#[test]
fn series_are_distinct_and_families_contiguous() {
    let listeners = (1..=50).map(|port| listener(&format!("127.0.0.1:{port}"), "p")).collect();

    let parsed = parse(&text(MetricsFigures { listeners, ..MetricsFigures::default() }));

    let distinct: HashSet<_> = parsed.iter().map(|series| (&series.name, &series.labels)).collect();
    assert_eq!(distinct.len(), parsed.len());
    let mut families: Vec<&str> = parsed.iter().map(|series| series.name.as_str()).collect();
    families.dedup();
    assert_eq!(families.iter().collect::<HashSet<_>>().len(), families.len(), "{families:?}");
}

/// One line with a value.
struct Series {
    name: String,
    labels: Vec<(String, String)>,
}

/// Parses OpenMetrics, and checks that each series follows the type of its family.
fn parse(text: &str) -> Vec<Series> {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let (mut all, mut family, mut kind) = (Vec::new(), "", "");
    for line in body.split_terminator('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let (keyword, rest) = comment.split_once(' ').unwrap();
            let (name, what) = rest.split_once(' ').unwrap();
            match keyword {
                "HELP" => assert!(what.ends_with('.') && !what.contains('\\'), "{line}"),
                "TYPE" => (family, kind) = (name, what),
                "UNIT" => assert!(name == family && name.ends_with(&format!("_{what}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let series = series(line);
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        assert_eq!(series.name, format!("{family}{suffix}"), "{line}");
        all.push(series);
    }
    all
}

fn series(line: &str) -> Series {
    let (name, rest) = line.split_once('{').unwrap_or_else(|| line.split_once(' ').unwrap());
    let mut rest = rest.chars();
    let mut labels = Vec::new();
    if line.contains('{') {
        loop {
            let key: String = rest.by_ref().take_while(|&c| c != '=').collect();
            assert_eq!(rest.next(), Some('"'), "{line}");
            let mut value = String::new();
            loop {
                match rest.next().expect("a label ends") {
                    '"' => break,
                    '\\' => value.push(match rest.next().unwrap() {
                        'n' => '\n',
                        escaped => escaped,
                    }),
                    plain => value.push(plain),
                }
            }
            labels.push((key, value));
            if rest.next() == Some('}') {
                assert_eq!(rest.next(), Some(' '), "{line}");
                break;
            }
        }
    }
    let value = rest.as_str();
    assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
    Series { name: name.to_owned(), labels }
}
