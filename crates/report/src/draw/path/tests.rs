//! The path drawn from constructed samples.

use super::*;

fn sample(t: f64, inside: u64) -> Sample {
    const MIB: u64 = 1 << 20;
    Sample {
        t,
        connections: 1,
        produced: 9 * MIB + inside,
        server_received: Some(5 * MIB + inside),
        server_read: Some(4 * MIB + inside),
        server_written: Some(4 * MIB),
        client_received: Some(128 << 10),
        consumed: 0,
        server_memory: Some(3 * MIB + inside),
        kernel_memory: Some(9 * MIB),
        window: Some(0),
        ..Sample::default()
    }
}

#[test]
fn the_path_fits_a_terminal_of_80_by_24() {
    let mut view = PathView::default();
    view.add(sample(1.0, 0));
    view.add(sample(2.0, 64 << 20));
    let context = Context {
        title: "x".repeat(200),
        kernels: Kernels {
            window: Some(0),
            window_zero_for: Some(std::time::Duration::from_secs(100)),
            congestion_window: Some(1_023_000),
            client_send: Fill::Full,
            ..Kernels::default()
        },
        base_memory: Some(3 << 20),
        available: Some(1 << 33),
        ..Context::default()
    };

    let text = view.text(&context, (80, 24));

    assert!(text.lines().count() <= 23, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 79), "{text}");
    assert!(text.contains("+64 MiB/s") && text.contains("memory would be full in 2 min"), "{text}");
    assert!(text.contains("full "), "{text}");
    assert!(text.contains("No backpressure"), "{text}");
}

#[test]
fn a_producer_that_is_held_back_is_reported() {
    let mut view = PathView::default();
    view.add(sample(1.0, 0));
    view.add(sample(2.0, 0));

    let text = view.text(&Context { held_back: Some(1.5), ..Context::default() }, (80, 24));

    assert!(text.contains("HELD BACK for 1.5 s") && text.contains("Backpressure:"), "{text}");
}

#[test]
fn a_slow_reader_is_not_said_to_be_fast() {
    let read = |t, mib: u64| Sample { consumed: mib << 20, ..sample(t, 0) };
    let mut view = PathView::default();
    view.add(read(1.0, 1));
    view.add(read(2.0, 2));
    let sentence = |held_back, is_slow_reader| {
        let text = view.text(&Context { held_back, is_slow_reader, ..Context::default() }, (80, 24));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };

    assert!(sentence(None, false).contains("The consumer is faster than the producer"));
    assert!(sentence(None, true).contains("The reader is working through what is queued"));
    assert!(sentence(Some(1.5), true).contains("the server reads only as fast as the client does"));
}

#[test]
fn a_flow_at_the_rate_of_a_slow_reader_is_not_called_steady() {
    let moved = |t, mib: u64| {
        let bytes = mib << 20;
        Sample { t, produced: bytes + (8 << 20), consumed: bytes, ..Sample::default() }
    };
    let mut view = PathView::default();
    view.add(moved(1.0, 1));
    view.add(moved(2.0, 5));
    let sentence = |is_slow_reader| view.text(&Context { is_slow_reader, ..Context::default() }, (80, 24));

    assert!(sentence(false).contains("Steady flow"), "{}", sentence(false));
    assert!(sentence(true).contains("The producer sends only as fast as the client"), "{}", sentence(true));
}

#[test]
fn the_growth_at_which_flood_stops_is_shown() {
    let mut view = PathView::default();
    view.add(sample(1.0, 0));
    view.add(sample(2.0, 64 << 20));
    let context = Context {
        base_memory: Some(3 << 20),
        available: Some(1 << 34),
        growth_limit: Some(1 << 30),
        ..Context::default()
    };

    let text = view.text(&context, (80, 24));

    assert!(text.contains("would grow by 1 GiB, flood's limit, in 15 s (memory full in 4 min)\n"), "{text}");
}

#[test]
fn bytes_missing_from_memory_are_not_called_inside() {
    let mut view = PathView::default();
    let (before, mut now) = (sample(1.0, 0), sample(2.0, 200 << 20));
    now.server_memory = before.server_memory.map(|memory| memory + (1 << 20));
    view.add(before);
    view.add(now);

    let text = view.text(&Context { unwritten: Unwritten::Missing, ..Context::default() }, (80, 24));

    assert!(text.contains("READ, NOT WRITTEN       200 MiB") && !text.contains("INSIDE"), "{text}");
    assert!(text.contains("memory does not hold the"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 79), "{text}");
    assert!(table(&now, Unwritten::Missing).contains("READ, NOT WRITTEN "));
    assert!(table(&now, Unwritten::Inside).contains("INSIDE THE SERVER "));
}

#[test]
fn a_jump_that_is_over_is_not_a_trend() {
    let mut view = PathView::default();
    for twentieth in 0..20 {
        view.add(sample(f64::from(twentieth) / 20.0, if twentieth < 3 { 0 } else { 1 << 20 }));
    }

    let text = view.text(&Context::default(), (80, 24));

    assert!(text.lines().any(|line| line.contains("INSIDE") && line.ends_with("steady")), "{text}");
    assert!(!text.contains("No backpressure"), "{text}");
}

#[test]
fn a_queue_is_full_where_its_writer_is_held_back() {
    let mut view = PathView::default();
    view.add(sample(1.0, 0));
    let line = |client_send, is_blocked| {
        let kernels = Kernels { client_send, ..Kernels::default() };
        let text = view.text(&Context { kernels, is_blocked, ..Context::default() }, (80, 24));
        text.lines().find(|line| line.contains("client send queue")).unwrap().to_owned()
    };

    assert!(line(Fill::Part(0.86), false).contains("86 %"));
    assert!(line(Fill::Full, false).contains("full"));
    assert!(line(Fill::Part(0.86), true).contains("full"), "never 86 % beside HELD BACK");
}

#[test]
fn a_small_terminal_shows_the_sentence_and_every_queue() {
    let mut view = PathView::default();
    view.add(sample(1.0, 0));
    view.add(sample(2.0, 64 << 20));
    let context = Context {
        title: "x".repeat(200),
        server: "a server with a long name (pid 1234567), and three more processes".to_owned(),
        kernels: Kernels { window: Some(1 << 30), congestion_window: Some(1 << 20), ..Kernels::default() },
        base_memory: Some(3 << 20),
        available: Some(1 << 33),
        ..Context::default()
    };
    for (columns, rows) in [(60, 30), (60, 24), (60, 16), (72, 18), (120, 40)] {
        let text = view.text(&context, (columns, rows));

        assert!(text.lines().count() < rows, "{columns}x{rows}\n{text}");
        assert!(text.lines().all(|line| line.chars().count() < columns), "{columns}x{rows}\n{text}");
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(words.join(" ").contains("buffers in memory what the client does not read."), "{text}");
        assert!(text.contains("read by the client") && text.contains("client receive queue"), "{text}");
    }
}
