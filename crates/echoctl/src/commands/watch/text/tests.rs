//! The screen of `watch`, drawn from constructed observations.

use echoctl_observe::Door;
use echoctl_record::ConnectionCause;

use super::*;
use crate::commands::watch::door;

#[test]
fn the_screen_fits_its_terminal() {
    let mut rows: Vec<ConnectionRow> = (0..200).map(row).collect();
    rows[7].waits_for = Some(Stalled::Both);
    let mut watch =
        WatchText::new("0.0.0.0:6379: ".to_owned() + &"x".repeat(200), door::sentence(Door::Files));
    let sample = sample(3.2, 200);
    watch.add(&sample, Some((0, 0)));

    for (columns, lines) in [(60, 30), (80, 24), (120, 40)] {
        let text = watch.screen(&sample, &rows, 1_000_000, (columns, lines));

        assert!(text.lines().count() < lines, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= columns), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let counts = "200 now, 1000000 seen; waiting for the client: 199, for both: 1";
        assert!(words.contains(counts), "{text}");
        assert!(text.contains("more that buffer less"), "{text}");
        assert!(text.lines().any(|line| line.ends_with(" client")), "{text}");
    }
    let line = watch.line(&sample, &[]);
    assert!(line.chars().count() <= 85, "{line}");
}

#[test]
fn rates_are_those_of_the_last_seconds() {
    let mut watch = WatchText::new(String::new(), None);
    for second in 0..10u32 {
        let moved = u64::from(second) * (1 << 20);
        watch.add(&sample(second.into(), 1), Some((moved, moved / 2)));
    }

    let line = watch.line(&sample(9.0, 1), &[]);

    assert!(line.contains("in 1 MiB/s out 512 KiB/s"), "{line}");
}

#[test]
fn a_rate_that_is_not_visible_is_not_zero() {
    let mut watch = WatchText::new(String::new(), door::sentence(Door::Files));
    let sample = Sample { kernel_memory: None, ..sample(1.0, 1) };
    watch.add(&sample, None);

    let (line, screen) = (watch.line(&sample, &[]), watch.screen(&sample, &[row(1)], 1, (80, 24)));

    assert!(line.contains("server in - out -"), "{line}");
    assert!(screen.contains("bytes that move are not visible here"), "{screen}");
    assert!(screen.contains("their memory is not visible here") && !screen.contains("0 B/s"), "{screen}");
    assert!(
        screen.contains("  sockets      in another network namespace: only queues are visible"),
        "{screen}"
    );
}

fn sample(t: f64, connections: u32) -> Sample {
    Sample {
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
    }
}

fn row(number: u16) -> ConnectionRow {
    ConnectionRow {
        client: format!("[2001:db8:1:2:3:4:5:6]:{}", 40_000 + number),
        server: "127.0.0.1:80".parse().ok(),
        state: "ESTABLISHED".to_owned(),
        cause: ConnectionCause::ClientDoesNotRead,
        cause_seconds: Some(42.0),
        received: Some(1 << 40),
        written: Some(1 << 40),
        client_send: Some(4_194_304),
        server_receive: 1_048_575,
        server_send: 999 << 20,
        client_receive: None,
        client_window: Some(0),
        window: Some(1),
        window_zero_seconds: None,
        kernel_memory: Some(1),
        waits_for: Some(Stalled::Client),
        ..ConnectionRow::default()
    }
}
