//! Each line of the decision table, with figures as kernels show them.

use echoctl_record::{ConnectionCause, ConnectionFigures, ConnectionPhase, Diagnosis, SocketTimer};

use super::{diagnose, diagnose_reader};

mod client;
mod closed;
mod gone;
mod server;

/// A healthy connection over loopback that has been observed for a minute, and has nothing to do.
fn idle() -> ConnectionFigures {
    ConnectionFigures {
        client_send: Some(0),
        server_receive: Some(0),
        server_send: Some(0),
        client_receive: Some(0),
        client_window: Some(65_536),
        largest_client_window: Some(65_536),
        server_window: Some(65_536),
        since_client_answered: Some(30.0),
        since_received: Some(30.0),
        since_sent: Some(30.0),
        since_server_read: Some(0.0),
        since_client_read: Some(0.0),
        client_limited: Some(0.0),
        receive_rate: Some(0.0),
        send_rate: Some(0.0),
        server_read_rate: Some(0.0),
        client_read_rate: Some(0.0),
        in_phase_for: 60.0,
        seen_for: 60.0,
        ..ConnectionFigures::default()
    }
}

/// The client's window is closed, and has been for this long.
fn stalled(seconds: f64) -> ConnectionFigures {
    ConnectionFigures {
        server_send: Some(2_500_000),
        client_receive: Some(500_000),
        client_window: Some(0),
        timer: Some(SocketTimer::ZeroWindowProbe),
        since_client_answered: Some(0.4),
        since_sent: Some(seconds),
        since_client_read: Some(seconds),
        client_limited: Some(1.0),
        ..idle()
    }
}

/// The server leaves bytes unread for this long, and its window is closed.
fn unread(seconds: f64) -> ConnectionFigures {
    ConnectionFigures {
        client_send: Some(2_500_000),
        server_receive: Some(500_000),
        server_window: Some(0),
        since_received: Some(seconds),
        since_server_read: Some(seconds),
        ..idle()
    }
}

#[track_caller]
fn assert_cause(figures: &ConnectionFigures, cause: ConnectionCause, seconds: Option<f64>) {
    assert_eq!(diagnose(figures), Diagnosis { cause, seconds, ..Diagnosis::default() }, "{figures:#?}");
}

#[test]
fn both_wait_if_both_windows_are_closed() {
    let figures = ConnectionFigures { client_receive: Some(500_000), ..both(9.0, 5.0) };
    assert_cause(&figures, ConnectionCause::BothWait, Some(5.0));
}

#[test]
fn a_server_that_stops_reading_for_its_client_is_not_blamed() {
    let figures = ConnectionFigures { client_send: Some(0), server_window: Some(9000), ..both(9.0, 5.0) };
    assert_cause(&figures, ConnectionCause::ClientDoesNotRead, Some(9.0));
    let slow = ConnectionFigures { since_client_read: Some(0.1), ..both(9.0, 5.0) };
    assert_cause(&slow, ConnectionCause::ClientReadsSlowly, None);
}

fn both(client: f64, server: f64) -> ConnectionFigures {
    let of_server = unread(server);
    ConnectionFigures {
        client_send: of_server.client_send,
        server_receive: of_server.server_receive,
        server_window: of_server.server_window,
        since_received: of_server.since_received,
        since_server_read: of_server.since_server_read,
        ..stalled(client)
    }
}

#[test]
fn a_connection_without_bytes_is_idle_or_flows() {
    assert_cause(&idle(), ConnectionCause::Idle, Some(30.0));
    let sent = ConnectionFigures { since_sent: Some(0.3), ..idle() };
    assert_cause(&sent, ConnectionCause::Flows, None);
    let ages_unknown = ConnectionFigures { since_sent: None, since_received: None, ..idle() };
    assert_cause(&ages_unknown, ConnectionCause::Idle, None);
    let by_rate = ConnectionFigures { receive_rate: Some(5.0), ..ages_unknown };
    assert_cause(&by_rate, ConnectionCause::Flows, None);
    assert_cause(&ConnectionFigures::default(), ConnectionCause::Idle, None);
}
