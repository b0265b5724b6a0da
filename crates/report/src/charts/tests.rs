//! Tests of the charts of a run, on made-up samples.

use super::*;

/// 20 samples a second: reads to 2 s, stops until 6 s, reads again until all is back at 8 s; then a second of quiet.
fn stalled_run() -> Vec<Sample> {
    let sample = |step: u32| {
        let t = f64::from(step) / 20.0;
        let produced = 1000 * step.min(160) as u64;
        let consumed = match t {
            t if t < 2.0 => produced,
            t if t < 6.0 => 40_000,
            _ => (40_000 + 3000 * (step as u64 - 120)).min(produced),
        };
        let server_received = produced - (produced - consumed) / 10;
        let is_shut = (3.0..5.0).contains(&t);
        Sample {
            t,
            connections: 1,
            produced,
            server_received: Some(server_received),
            server_read: Some(server_received),
            server_written: Some(consumed),
            client_received: Some(consumed),
            consumed,
            server_memory: Some(1_000_000 + server_received - consumed),
            kernel_memory: None,
            window: Some(if is_shut { 0 } else { 65_536 }),
            ..Sample::default()
        }
    };
    (0..=180).map(sample).collect()
}

#[test]
fn the_bands_add_up_to_what_was_sent_and_not_read() {
    let samples = stalled_run();

    let chart = queues(&samples);

    for sample in &samples {
        let sum: f64 = chart.series.iter().filter_map(|series| series.at(sample.t)).sum();
        assert_eq!(sum, (sample.produced - sample.consumed) as f64, "at {} s", sample.t);
    }
}

#[test]
fn phases_are_told_from_what_was_read() {
    let phases = phases(&stalled_run());

    let named: Vec<(&str, f64)> = phases.iter().map(|phase| (phase.label.as_str(), phase.to)).collect();
    let expected = [("reads", 2.0), ("stops reading", 6.0), ("reads again", 9.0)];
    assert_eq!(named.len(), expected.len(), "{named:?}");
    for ((label, to), (expected_label, expected_to)) in named.iter().zip(expected) {
        assert_eq!(*label, expected_label);
        assert!((to - expected_to).abs() <= 0.1, "{label} ends at {to}");
    }
}

#[test]
fn a_client_that_begins_by_not_reading_has_no_phase_before_that() {
    let mut samples = stalled_run();
    samples.iter_mut().filter(|sample| sample.t < 6.0).for_each(|sample| sample.consumed = 0);

    let phases = phases(&samples);

    let named: Vec<(&str, f64)> = phases.iter().map(|phase| (phase.label.as_str(), phase.from)).collect();
    assert_eq!(named.len(), 2, "{named:?}");
    assert_eq!(named[0], ("does not read", 0.0));
    assert_eq!(named[1].0, "reads");
}

#[test]
fn a_client_that_reads_all_the_time_has_no_phases() {
    let mut samples = stalled_run();
    samples.iter_mut().for_each(|sample| sample.consumed = sample.produced);

    assert_eq!(phases(&samples), []);
}

#[test]
fn a_closed_window_is_timed() {
    let chart = window(&stalled_run());

    assert!(chart.description.contains("0 for 2.0 s"), "{}", chart.description);
}

#[test]
fn what_is_not_visible_is_named_and_not_drawn() {
    let chart = memory(&stalled_run());

    let drawn: Vec<&str> = chart.series.iter().map(|series| series.label.as_str()).collect();
    assert_eq!(drawn, ["server"]);
    assert!(
        chart.description.ends_with("Not visible here: kernel, for the sockets."),
        "{}",
        chart.description
    );
}

#[test]
fn runs_without_samples_or_with_one_have_charts() {
    for samples in [vec![], vec![Sample::default()]] {
        for chart in [queues(&samples), memory(&samples), window(&samples), rates(&samples)] {
            assert!(crate::svg::draw(&chart, crate::svg::Size::WIDE).contains("<svg"));
        }
        assert!(compare(("a", &samples), ("b", &samples)).len() <= 3);
    }
}

#[test]
fn a_rate_is_what_the_counter_grew_in_a_second() {
    let chart = rates(&stalled_run());

    let sent = &chart.series[0];
    assert!((sent.at(4.0).expect("the run has it") - 20_000.0).abs() < 1.0);
    assert_eq!(chart.series[1].at(4.0), Some(0.0));
}

#[test]
fn two_runs_share_their_axes_and_differ_in_stroke() {
    let samples = stalled_run();

    let charts = compare(("a", &samples), ("b", &samples[..100]));

    assert_eq!(charts.len(), 3);
    for chart in charts {
        assert_eq!(chart.series.len(), 2);
        assert_ne!(chart.series[0].stroke, chart.series[1].stroke);
    }
}
