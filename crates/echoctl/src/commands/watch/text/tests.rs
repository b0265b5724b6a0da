//! The line of `watch`, made from constructed observations.

use super::*;

#[test]
fn a_line_fits_a_log() {
    let mut watch = WatchText::new(Roles::Served);
    let sample = sample(3.2, 200);
    watch.add(&sample, Some((0, 0)));

    let line = watch.line("14:02:07", &sample, &[], &[]);

    assert!(line.chars().count() <= 95, "{line}");
}

#[test]
fn rates_are_those_of_the_last_seconds() {
    let mut watch = WatchText::new(Roles::Served);
    for second in 0..10u32 {
        let moved = u64::from(second) * (1 << 20);
        watch.add(&sample(second.into(), 1), Some((moved, moved / 2)));
    }

    let line = watch.line("", &sample(9.0, 1), &[], &[]);

    assert!(line.starts_with("9.0 s  ") && line.contains("in 1 MiB/s out 512 KiB/s"), "{line}");
}

#[test]
fn a_line_says_why_clients_cannot_connect() {
    let watch = WatchText::new(Roles::Served);
    let listener = |accept_queue, connecting| ListenerFigures {
        accept_queue: Some(accept_queue),
        accept_queue_limit: Some(8),
        connecting: Some(connecting),
        ..ListenerFigures::default()
    };
    let end = |listener, suspended: &[u32]| {
        let line = watch.line("", &sample(9.0, 1), &[listener], suspended);
        line.split_once("mem 999 GiB").map(|(_, end)| end.trim_start().to_owned()).unwrap()
    };

    assert_eq!(end(listener(0, 0), &[]), "");
    assert_eq!(end(listener(8, 0), &[]), "accept-q 8/8");
    assert_eq!(end(listener(9, 5), &[7]), "accept-q 9/8 full  syn-sent 5  suspended (SIGSTOP)");
}

#[test]
fn a_rate_that_is_not_visible_is_not_zero() {
    let mut watch = WatchText::new(Roles::Served);
    let sample = Sample { kernel_memory: None, ..sample(1.0, 1) };
    watch.add(&sample, None);

    let line = watch.line("14:02:07", &sample, &[], &[]);

    assert!(line.contains("server in - out -"), "{line}");
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
