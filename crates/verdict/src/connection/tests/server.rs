//! A connection whose server may read, slowly or not at all.

use super::*;

#[test]
fn one_that_leaves_bytes_unread_does_not_read() {
    assert_cause(&unread(5.0), ConnectionCause::ServerDoesNotRead, Some(5.0));
    let little = ConnectionFigures { client_send: Some(0), server_window: Some(9000), ..unread(5.0) };
    assert_cause(&little, ConnectionCause::ServerDoesNotRead, Some(5.0));
}

#[test]
fn one_that_will_read_in_a_moment_is_no_stall() {
    assert_cause(&unread(0.3), ConnectionCause::Flows, None);
}

#[test]
fn a_trickle_into_its_queue_does_not_make_it_read() {
    let figures =
        ConnectionFigures { since_received: Some(0.1), server_read_rate: Some(100.0), ..unread(5.0) };
    assert_cause(&figures, ConnectionCause::ServerDoesNotRead, Some(5.0));
}

#[test]
fn one_that_reads_between_long_waits_is_slow() {
    let by_wait = ConnectionFigures { since_server_read: Some(0.1), ..unread(5.0) };
    assert_cause(&by_wait, ConnectionCause::ServerReadsSlowly, None);
    let by_rate = ConnectionFigures { server_read_rate: Some(10_240.0), ..unread(0.1) };
    assert_cause(&by_rate, ConnectionCause::ServerReadsSlowly, None);
}

#[test]
fn a_backlog_that_is_read_after_its_client_has_sent_all_flows() {
    let figures = ConnectionFigures {
        client_send: Some(0),
        server_window: Some(9000),
        since_server_read: Some(0.1),
        ..unread(30.0)
    };
    assert_cause(&figures, ConnectionCause::Flows, None);
}
