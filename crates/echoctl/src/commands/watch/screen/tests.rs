//! The screen of `watch`, drawn from constructed observations.

use std::time::Duration;

use echoctl_observe::{PathState, TcpState};

use super::*;

#[test]
fn the_screen_fits_its_terminal() {
    let mut rows: Vec<Row> = (0..200).map(row).collect();
    rows[7].waits_for = WaitsFor::Both;
    let mut screen = WatchScreen::new("0.0.0.0:6379: ".to_owned() + &"x".repeat(200));
    let observation = observation(3.2, 200);
    screen.add(&observation, &rows);

    for (columns, lines) in [(60, 30), (80, 24), (120, 40)] {
        let text = screen.fitted(&observation, &rows, 1_000_000, columns, lines);

        assert!(text.lines().count() < lines, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let counts = "200 now, 1000000 seen; waiting for the client: 199, for both: 1";
        assert!(words.contains(counts), "{text}");
        assert!(text.contains("more that buffer less"), "{text}");
        assert!(text.lines().any(|line| line.ends_with(" client")), "{text}");
    }
    let line = screen.line(&observation);
    assert!(line.chars().count() <= 85, "{line}");
}

#[test]
fn bytes_from_before_the_first_sample_do_not_count() {
    let mut screen = WatchScreen::new(String::new());

    screen.add(&observation(0.0, 1), &[row(5)]);
    let mut moved = row(5);
    moved.received += 1000;
    screen.add(&observation(0.1, 2), &[moved, row(6)]);

    assert_eq!(screen.moved, (1000, 0));
}

fn observation(t: f64, connections: u32) -> Observation {
    let sample = Sample {
        t,
        connections,
        produced: 1 << 40,
        server_received: Some(1 << 39),
        server_read: Some(1 << 38),
        server_written: Some(1 << 37),
        client_received: Some(1 << 36),
        server_memory: Some(999 << 30),
        kernel_memory: Some(1 << 30),
        ..Sample::default()
    };
    Observation {
        sample,
        path: PathState::default(),
        tree: None,
        server_ended: None,
        took: Duration::ZERO,
        is_regular: true,
    }
}

fn row(number: u16) -> Row {
    Row {
        client: format!("[2001:db8:1:2:3:4:5:6]:{}", 40_000 + number).parse().unwrap(),
        server: "127.0.0.1:80".parse().unwrap(),
        state: TcpState::Established,
        received: 1 << 40,
        written: 1 << 40,
        client_send: Some(4_194_304),
        server_receive: 1_048_575,
        server_send: 999 << 20,
        client_receive: None,
        client_window: Some(0),
        window: Some(1),
        window_zero_seconds: None,
        kernel_memory: 1,
        waits_for: WaitsFor::Client,
    }
}
