//! A connection whose client may read, slowly or not at all.

use super::*;

#[test]
fn one_whose_window_stays_closed_does_not_read() {
    assert_cause(&stalled(42.0), ConnectionCause::ClientDoesNotRead, Some(42.0));
    let by_timer = ConnectionFigures { client_window: Some(9000), ..stalled(42.0) };
    assert_cause(&by_timer, ConnectionCause::ClientDoesNotRead, Some(42.0));
}

#[test]
fn a_stall_from_before_the_watch_has_its_whole_age() {
    for seen_for in [0.0, 0.25, 3.0] {
        let figures = ConnectionFigures { since_client_read: Some(seen_for), seen_for, ..stalled(42.0) };
        assert_cause(&figures, ConnectionCause::ClientDoesNotRead, Some(42.0));
    }
}

#[test]
fn a_short_wait_from_before_may_be_that_of_a_slow_reader() {
    let seen = |seen_for| ConnectionFigures { since_client_read: Some(seen_for), seen_for, ..stalled(5.0) };
    assert_cause(&seen(0.0), ConnectionCause::Flows, None);
    assert_cause(&seen(1.0), ConnectionCause::ClientDoesNotRead, Some(5.0));
}

#[test]
fn retransmissions_into_a_closed_window_do_not_renew_it() {
    // They carry payload, so the kernel takes them for the last that was sent.
    let figures = ConnectionFigures {
        timer: Some(SocketTimer::Retransmit),
        unanswered: 7,
        since_sent: Some(3.0),
        since_client_answered: Some(3.0),
        ..stalled(42.0)
    };
    assert_cause(&figures, ConnectionCause::ClientDoesNotRead, Some(42.0));
}

#[test]
fn a_closed_window_of_a_moment_is_no_stall() {
    let bulk = ConnectionFigures { client_read_rate: Some(1e9), ..stalled(0.001) };
    assert_cause(&bulk, ConnectionCause::Flows, None);
    let first_sample = ConnectionFigures {
        since_client_read: Some(0.0),
        seen_for: 0.0,
        client_read_rate: None,
        ..stalled(0.001)
    };
    assert_cause(&first_sample, ConnectionCause::Flows, None);
}

#[test]
fn a_fast_reader_that_stops_goes_straight_to_not_reading() {
    for tenths in 0..60 {
        let seconds = f64::from(tenths) / 10.0;
        // The rate is that of the last two seconds.
        let client_read_rate = Some(5e8 * (2.0 - seconds).max(0.0));
        let cause = diagnose(&ConnectionFigures { client_read_rate, ..stalled(seconds) }).cause;
        let expected =
            if seconds < 1.75 { ConnectionCause::Flows } else { ConnectionCause::ClientDoesNotRead };
        assert_eq!(cause, expected, "after {seconds} s");
    }
}

#[test]
fn a_full_queue_without_a_closed_window_is_the_networks() {
    let congested = ConnectionFigures {
        client_window: Some(65_536),
        timer: Some(SocketTimer::Retransmit),
        client_limited: Some(0.0),
        since_sent: Some(0.1),
        client_read_rate: Some(50_000.0),
        client_receive: None,
        ..stalled(0.2)
    };
    assert_cause(&congested, ConnectionCause::Flows, None);
    let stuck = ConnectionFigures { since_client_read: Some(30.0), since_sent: Some(30.0), ..congested };
    assert_cause(&stuck, ConnectionCause::Flows, None);
}

#[test]
fn unread_bytes_that_hold_nothing_back_are_no_stall() {
    let figures =
        ConnectionFigures { server_send: Some(0), client_window: Some(65_536), timer: None, ..stalled(60.0) };
    assert_cause(&figures, ConnectionCause::Idle, Some(30.0));
}

/// Figures of a client of this host that reads 10 KiB/s, at each quarter of a second. Its window opens every 6.4 s.
fn slow(sample: u32) -> ConnectionFigures {
    let seen_for = f64::from(sample) / 4.0;
    // The watch begins two seconds after the window has opened.
    let since_sent = (seen_for + 2.0) % 6.4;
    let has_ended = seen_for + 2.0 >= 6.4;
    ConnectionFigures {
        since_client_read: Some(if sample == 0 { 0.0 } else { 0.1 }),
        since_sent: Some(since_sent),
        last_wait: has_ended.then_some(6.4),
        since_last_wait: has_ended.then_some(since_sent + 0.25),
        client_read_rate: (sample > 0).then_some(10_240.0),
        seen_for,
        ..stalled(since_sent)
    }
}

#[test]
fn a_slow_reader_is_slow_in_every_sample() {
    for sample in 1..100 {
        assert_cause(&slow(sample), ConnectionCause::ClientReadsSlowly, None);
    }
}

#[test]
fn a_slow_reader_elsewhere_is_slow_once_its_window_has_opened() {
    let elsewhere = |sample| {
        let figures = slow(sample);
        let was_seen = figures.last_wait.is_some();
        ConnectionFigures {
            client_send: None,
            client_receive: None,
            // What its kernel acknowledges is all that is known of its reading.
            since_client_read: Some(if was_seen { figures.since_sent.unwrap() } else { figures.seen_for }),
            client_read_rate: (sample > 0).then_some(if figures.since_sent < Some(2.0) {
                30_000.0
            } else {
                0.0
            }),
            ..figures
        }
    };
    for sample in 0..18 {
        let cause = diagnose(&elsewhere(sample)).cause;
        let expected = if sample < 4 { ConnectionCause::Flows } else { ConnectionCause::ClientDoesNotRead };
        assert_eq!(cause, expected, "{sample}");
    }
    for sample in 18..100 {
        assert_cause(&elsewhere(sample), ConnectionCause::ClientReadsSlowly, None);
    }
}

#[test]
fn a_slow_reader_that_stops_does_not_read() {
    let figures = ConnectionFigures { last_wait: Some(6.4), since_last_wait: Some(14.2), ..stalled(14.0) };
    assert_cause(&figures, ConnectionCause::ClientDoesNotRead, Some(14.0));
}

#[test]
fn one_that_recovers_from_a_long_stall_flows_again() {
    let figures = ConnectionFigures {
        client_window: Some(65_536),
        timer: None,
        last_wait: Some(60.0),
        since_last_wait: Some(2.5),
        client_read_rate: Some(1e8),
        ..stalled(0.0)
    };
    assert_cause(&figures, ConnectionCause::Flows, None);
    let stops_again =
        ConnectionFigures { last_wait: Some(60.0), since_last_wait: Some(10.0), ..stalled(3.0) };
    assert_cause(&stops_again, ConnectionCause::ClientDoesNotRead, Some(3.0));
}

#[test]
fn one_that_is_seconds_behind_is_slow_without_long_waits() {
    let figures = ConnectionFigures {
        since_sent: Some(0.05),
        since_client_read: Some(0.05),
        client_read_rate: Some(200_000.0),
        ..stalled(0.05)
    };
    assert_cause(&figures, ConnectionCause::ClientReadsSlowly, None);
    // At this instant the window is open, but most of the time it is not.
    let opened = ConnectionFigures { client_window: Some(3000), timer: None, ..figures };
    assert_cause(&opened, ConnectionCause::ClientReadsSlowly, None);
}

#[test]
fn a_slow_reader_whose_window_is_open_at_this_instant_is_slow() {
    let opened = ConnectionFigures {
        client_window: Some(65_536),
        timer: None,
        since_sent: Some(0.05),
        since_client_read: Some(0.05),
        client_limited: Some(0.3),
        client_read_rate: Some(1e6),
        since_window_closed: Some(0.5),
        ..stalled(0.05)
    };
    assert_cause(&opened, ConnectionCause::ClientReadsSlowly, None);
    let fast = ConnectionFigures { client_read_rate: Some(1e8), ..opened };
    assert_cause(&fast, ConnectionCause::Flows, None);
    let elsewhere = ConnectionFigures { client_receive: None, ..opened };
    assert_cause(&elsewhere, ConnectionCause::Flows, None);
    let recovered = ConnectionFigures { since_window_closed: Some(4.0), ..opened };
    assert_cause(&recovered, ConnectionCause::Flows, None);
}

#[test]
fn queues_and_timers_alone_show_a_stall() {
    let of_files = ConnectionFigures {
        server_send: Some(2_500_000),
        timer: Some(SocketTimer::ZeroWindowProbe),
        since_client_read: Some(3.0),
        seen_for: 3.0,
        ..ConnectionFigures::default()
    };
    assert_cause(&of_files, ConnectionCause::ClientDoesNotRead, Some(3.0));
    let at_first = ConnectionFigures { since_client_read: Some(0.0), seen_for: 0.0, ..of_files };
    assert_cause(&at_first, ConnectionCause::Flows, None);
}

#[test]
fn a_long_link_that_fills_a_wide_window_is_no_slow_reader() {
    // As of a link of 1 Mbit/s with a queue of three seconds: all that the window allows is in the network.
    let figures = ConnectionFigures {
        server_send: Some(2_500_000),
        client_receive: None,
        client_window: Some(81_920),
        largest_client_window: Some(81_920),
        timer: Some(SocketTimer::Retransmit),
        client_limited: Some(1.0),
        since_sent: Some(0.1),
        since_client_read: Some(0.1),
        client_read_rate: Some(125_000.0),
        ..idle()
    };
    assert_cause(&figures, ConnectionCause::Flows, None);
}

#[test]
fn a_probe_of_an_open_window_is_no_slow_reader() {
    // The queue of this host's own link is full: the kernel sets the timer of a closed window for what it could not send.
    let figures = ConnectionFigures {
        server_send: Some(130_000),
        client_receive: None,
        client_window: Some(100_352),
        largest_client_window: Some(100_352),
        client_limited: Some(0.0),
        client_read_rate: Some(3000.0),
        ..stalled(0.5)
    };
    assert_cause(&figures, ConnectionCause::Flows, None);
}

#[test]
fn one_of_a_unix_socket_stalls_as_well() {
    let figures = ConnectionFigures {
        server_receive: Some(0),
        server_send: Some(212_992),
        client_window: Some(0),
        since_server_read: Some(0.0),
        since_client_read: Some(3.0),
        seen_for: 3.0,
        ..ConnectionFigures::default()
    };
    assert_cause(&figures, ConnectionCause::ClientDoesNotRead, Some(3.0));
}

#[test]
fn one_that_leaves_a_few_bytes_unread_does_not_read_in_a_class() {
    let suspended = ConnectionFigures { client_receive: Some(12), since_client_read: Some(2.0), ..idle() };
    let expected =
        Diagnosis { cause: ConnectionCause::ClientDoesNotRead, seconds: Some(2.0), ..Diagnosis::default() };

    assert_cause(&suspended, ConnectionCause::Idle, Some(30.0));
    assert_eq!(diagnose_reader(&suspended), expected);
    for calm in [
        ConnectionFigures { since_client_read: Some(1.0), ..suspended },
        ConnectionFigures { client_receive: Some(0), ..suspended },
        ConnectionFigures { client_receive: None, ..suspended },
    ] {
        assert_eq!(diagnose_reader(&calm), diagnose(&calm), "{calm:?}");
    }
    assert_eq!(diagnose_reader(&slow(20)), diagnose(&slow(20)), "it is seen to read");
    let stopped = ConnectionFigures { since_client_read: Some(3.0), ..slow(20) };
    assert_eq!(
        diagnose(&stopped).cause,
        ConnectionCause::ClientReadsSlowly,
        "its window was open a moment ago"
    );
    assert_eq!(diagnose_reader(&stopped).cause, ConnectionCause::ClientDoesNotRead);
}
