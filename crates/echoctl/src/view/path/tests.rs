//! The picture, of made-up moments.

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
fn the_picture_fits_a_terminal_of_80_by_24() {
    let mut view = PathView::default();
    view.add(sample(1.0, 0));
    view.add(sample(2.0, 64 << 20));
    let context = Context {
        title: "x".repeat(200),
        path: PathState {
            window: Some(0),
            window_zero_for: Some(std::time::Duration::from_secs(100)),
            congestion_window: Some(1_023_000),
            client_send: Occupancy { memory: 4 << 20, limit: 4 << 20 },
            ..PathState::default()
        },
        base_memory: Some(3 << 20),
        available: Some(1 << 33),
        ..Context::default()
    };

    let text = view.text(&context);

    assert!(text.lines().count() <= 23, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 79), "{text}");
    assert!(text.contains("+64 MiB/s") && text.contains("used up in 2 min"), "{text}");
    assert!(text.contains("full "), "{text}");
    assert!(text.contains("No backpressure"), "{text}");
}

#[test]
fn a_producer_that_is_held_back_is_said_to_be() {
    let mut view = PathView::default();
    view.add(sample(1.0, 0));
    view.add(sample(2.0, 0));

    let text = view.text(&Context { held_back: Some(1.5), ..Context::default() });

    assert!(text.contains("HELD BACK for 1.5 s") && text.contains("Backpressure:"), "{text}");
}

#[test]
fn bytes_that_memory_does_not_hold_are_not_said_to_be_inside() {
    let mut view = PathView::default();
    let (before, mut now) = (sample(1.0, 0), sample(2.0, 200 << 20));
    now.server_memory = before.server_memory.map(|memory| memory + (1 << 20));
    view.add(before);
    view.add(now);

    let text = view.text(&Context { base_memory: before.server_memory, ..Context::default() });

    assert!(text.contains("READ, NOT WRITTEN       200 MiB") && !text.contains("INSIDE"), "{text}");
    assert!(text.contains("memory does not hold it"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 79), "{text}");
    assert!(table(&now, before.server_memory).contains("READ, NOT WRITTEN "));
    assert!(table(&sample(2.0, 200 << 20), before.server_memory).contains("INSIDE THE SERVER "));
}

#[test]
fn a_jump_that_is_over_is_no_trend() {
    let mut view = PathView::default();
    for twentieth in 0..20 {
        view.add(sample(f64::from(twentieth) / 20.0, if twentieth < 3 { 0 } else { 1 << 20 }));
    }

    let text = view.text(&Context::default());

    assert!(text.lines().any(|line| line.contains("INSIDE") && line.ends_with("steady")), "{text}");
    assert!(!text.contains("No backpressure"), "{text}");
}

#[test]
fn the_bars_add_up_to_the_bytes_on_the_way() {
    assert_eq!(bar(0, 100), "");
    assert_eq!(bar(1, 1_000_000), "▏");
    assert_eq!(bar(50, 100).chars().count(), BAR / 2);
    assert_eq!(bar(100, 100).chars().count(), BAR);
}
