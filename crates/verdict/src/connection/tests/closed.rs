//! A connection that one side has closed, or the server has not accepted.

use super::*;

#[test]
fn a_client_that_has_closed_waits_for_its_server_to() {
    let figures = ConnectionFigures {
        phase: ConnectionPhase::ClosedByClient,
        since_client_answered: Some(12.0),
        ..idle()
    };
    assert_cause(&figures, ConnectionCause::ClosedByClient, Some(12.0));
    let with_unread =
        ConnectionFigures { server_receive: Some(5000), since_server_read: Some(60.0), ..figures };
    assert_cause(&with_unread, ConnectionCause::ClosedByClient, Some(12.0));
}

#[test]
fn a_client_that_has_closed_its_direction_may_read_the_rest() {
    let half = |figures| ConnectionFigures { phase: ConnectionPhase::ClosedByClient, ..figures };
    let reads = half(ConnectionFigures { client_read_rate: Some(1e9), ..stalled(0.01) });
    assert_cause(&reads, ConnectionCause::Flows, None);
    assert_cause(&half(stalled(8.0)), ConnectionCause::ClientDoesNotRead, Some(8.0));
}

#[test]
fn a_half_closed_client_still_gets_its_stream_between_two_parts() {
    let figures = ConnectionFigures {
        phase: ConnectionPhase::ClosedByClient,
        since_sent: Some(0.05),
        since_client_answered: Some(0.05),
        ..idle()
    };
    assert_cause(&figures, ConnectionCause::Flows, None);
}

#[test]
fn what_a_server_left_behind_is_pending() {
    let closed =
        |figures| ConnectionFigures { phase: ConnectionPhase::ClosedByServer, in_phase_for: 2.0, ..figures };
    // Since it was closed, not since the client has stopped reading.
    assert_cause(&closed(stalled(8.0)), ConnectionCause::ClosedByServer, Some(2.0));
    let drains = closed(ConnectionFigures { client_read_rate: Some(1e9), ..stalled(0.01) });
    assert_cause(&drains, ConnectionCause::Flows, None);
    let slowly = closed(ConnectionFigures { since_client_read: Some(0.1), ..stalled(5.0) });
    assert_cause(&slowly, ConnectionCause::ClosedByServer, Some(2.0));
    assert_cause(&closed(idle()), ConnectionCause::Idle, Some(30.0));
}

#[test]
fn what_is_not_accepted_is_in_the_accept_queue() {
    let figures = ConnectionFigures {
        phase: ConnectionPhase::InAcceptQueue,
        server_receive: Some(5),
        since_sent: Some(7.0),
        seen_for: 3.0,
        ..idle()
    };
    assert_cause(&figures, ConnectionCause::InAcceptQueue, Some(7.0));
    let of_files = ConnectionFigures { since_sent: None, ..figures };
    assert_cause(&of_files, ConnectionCause::InAcceptQueue, Some(3.0));
}
