//! Tests of the charts of a run, on invented samples.

use echoctl_record::{Ending, Machine, WatchSummary};

use super::*;

/// 20 samples per second: reads to 2 s, stops until 6 s, reads again until all is back at 8 s; then a second of quiet.
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

    let chart = queues(&samples, &SocketLimits::default());

    for sample in &samples {
        let sum: f64 = chart.series.iter().filter_map(|series| series.at(sample.t)).sum();
        assert_eq!(sum, (sample.produced - sample.consumed) as f64, "at {} s", sample.t);
    }
}

#[test]
fn phases_follow_from_what_was_read() {
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
fn a_client_that_starts_without_reading_has_no_phase_before() {
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
fn hidden_quantities_are_named_and_not_drawn() {
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
fn runs_with_at_most_one_sample_have_charts() {
    for samples in [vec![], vec![Sample::default()]] {
        for chart in
            [queues(&samples, &SocketLimits::default()), memory(&samples), window(&samples), rates(&samples)]
        {
            assert!(crate::draw::svg::draw(&chart, crate::svg::Size::WIDE).contains("<svg"));
        }
        let run = flood(&samples);
        assert!(compare(("a", &run), ("b", &run)).len() <= 3);
    }
}

#[test]
fn a_rate_is_the_growth_of_a_counter_per_second() {
    let chart = rates(&stalled_run());

    let sent = &chart.series[0];
    assert!((sent.at(4.0).expect("the run has it") - 20_000.0).abs() < 1.0);
    assert_eq!(chart.series[1].at(4.0), Some(0.0));
}

fn flood(samples: &[Sample]) -> Run {
    let mut run = Run::new("", vec![], 0, "x".to_owned(), Machine::default());
    run.samples = samples.to_vec();
    run
}

/// The watch of a server to which nothing is sent, and whose window stays open.
fn watch(samples: &[Sample]) -> Run {
    let silent = |sample: &Sample| Sample {
        produced: 0,
        is_echo: Some(false),
        server_received: Some(0),
        server_read: Some(0),
        window: Some(65_536),
        ..*sample
    };
    let mut run = flood(&samples.iter().map(silent).collect::<Vec<_>>());
    run.ending = Some(Ending::Watch { watch: WatchSummary::default() });
    run
}

#[test]
fn two_watches_differ_in_their_queues() {
    let run = watch(&stalled_run());

    let titles: Vec<String> =
        compare(("a", &run), ("b", &run)).into_iter().map(|chart| chart.title).collect();

    assert!(titles.iter().any(|title| title == "Bytes in the kernels' queues"), "{titles:?}");
    assert!(!titles.iter().any(|title| title == "Sent"), "{titles:?}");
}

#[test]
fn an_open_window_of_a_watch_is_not_drawn() {
    let mut run = watch(&stalled_run());
    let has_window =
        |run: &Run| flow_control(run).iter().any(|chart| chart.title.starts_with("Receive window"));

    assert!(!has_window(&run));
    run.samples[7].window = Some(0);
    assert!(has_window(&run));
}

#[test]
fn two_runs_share_their_axes_and_differ_in_stroke() {
    let samples = stalled_run();

    let charts = compare(("a", &flood(&samples)), ("b", &flood(&samples[..100])));

    assert_eq!(charts.len(), 3);
    for chart in charts {
        assert_eq!(chart.series.len(), 2);
        assert_ne!(chart.series[0].stroke, chart.series[1].stroke);
    }
}

#[test]
fn maxima_of_the_queues_are_those_of_the_stall() {
    let mut samples = stalled_run();
    // In the catch-up, two counters are read far apart.
    for sample in samples.iter_mut().filter(|sample| sample.t > 6.5) {
        sample.server_written = sample.server_written.map(|written| written.saturating_sub(50_000));
    }

    let chart = queues(&samples, &SocketLimits::default());
    let drawn = crate::plain::draw(&chart, 100, 19);

    let inside = chart.series.iter().find(|series| series.label == INSIDE).expect("it is visible");
    assert!(inside.peak() > Some(100_000.0) && chart.peak(inside) < Some(90_000.0));
    let most = Unit::Bytes.print(chart.peak(inside).expect("it has points"));
    for text in [&chart.description, &drawn] {
        assert!(text.contains(&format!("at most {most}")), "{text}");
    }
    assert!(chart.description.contains("While the client did not read"), "{}", chart.description);
    let given = queues_during(&samples, &SocketLimits::default(), 2.0..=6.0);
    assert_eq!(given.description, chart.description);
}

#[test]
fn no_kernel_queue_is_drawn_above_its_limit() {
    let limits = SocketLimits { send: 5_000, receive: 5_000 };

    let chart = queues(&stalled_run(), &limits);

    for series in chart.series.iter().filter(|series| series.label != INSIDE) {
        assert!(series.peak() <= Some(5_000.0), "{}", series.label);
    }
}

#[test]
fn a_server_that_pushes_has_no_inside_and_no_open_window() {
    let mut samples = stalled_run();
    for sample in &mut samples {
        (sample.is_echo, sample.window) = (Some(false), Some(65_536));
    }

    let (queues, window) = (queues(&samples, &SocketLimits::default()), window(&samples));

    assert!(!queues.description.contains("0 B"), "{}", queues.description);
    assert!(queues.description.ends_with("it need not write what it reads."), "{}", queues.description);
    assert!(!window.description.contains("never closed"), "{}", window.description);
}

#[test]
fn a_server_that_pushes_shows_its_output_and_the_clients_window() {
    let mut samples = stalled_run();
    assert!(output(&samples, Clients::One).is_none(), "an echo has queues");
    for sample in &mut samples {
        sample.is_echo = Some(false);
        sample.server_written = Some(sample.consumed + 4096);
        sample.client_window = Some(if sample.t < 3.0 { 65_535 } else { 0 });
    }

    let chart = output(&samples, Clients::One).unwrap();

    assert_eq!(chart.series.len(), 2);
    for text in ["At most 4 KiB were sent", "was 0 for 6.0 s in all"] {
        assert!(chart.description.contains(text), "{}", chart.description);
    }
    samples.iter_mut().for_each(|sample| sample.client_window = None);
    let description = |clients| output(&samples, clients).unwrap().description;
    assert!(description(Clients::One).contains("Not visible here: the client's window"));
    assert!(!description(Clients::Many).contains("window"), "each of them has its own");
}
