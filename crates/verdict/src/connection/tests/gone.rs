//! A connection whose peer may not answer any more.

use super::*;

fn unanswered(unanswered: u32, timer: SocketTimer) -> ConnectionFigures {
    ConnectionFigures {
        server_send: Some(4000),
        timer: Some(timer),
        unanswered,
        since_sent: Some(0.5),
        since_client_answered: Some(9.0),
        ..idle()
    }
}

#[test]
fn a_peer_that_answers_nothing_is_gone() {
    for (count, timer) in
        [(3, SocketTimer::Retransmit), (3, SocketTimer::ZeroWindowProbe), (2, SocketTimer::KeepAlive)]
    {
        assert_cause(&unanswered(count, timer), ConnectionCause::PeerGone, Some(9.0));
    }
    let with_closed_window =
        ConnectionFigures { unanswered: 4, since_client_answered: Some(9.0), ..stalled(42.0) };
    assert_cause(&with_closed_window, ConnectionCause::PeerGone, Some(9.0));
}

#[test]
fn a_lost_segment_does_not_make_a_peer_gone() {
    assert_cause(&unanswered(2, SocketTimer::Retransmit), ConnectionCause::Flows, None);
    let just_answered =
        ConnectionFigures { since_client_answered: Some(0.2), ..unanswered(5, SocketTimer::Retransmit) };
    assert_cause(&just_answered, ConnectionCause::Flows, None);
}

#[test]
fn one_that_takes_nothing_more_is_gone_after_a_close_too() {
    let figures = ConnectionFigures {
        phase: ConnectionPhase::ClosedByServer,
        ..unanswered(3, SocketTimer::Retransmit)
    };
    assert_cause(&figures, ConnectionCause::PeerGone, Some(9.0));
}
