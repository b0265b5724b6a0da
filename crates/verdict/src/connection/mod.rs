//! Finds what one connection of a watched server waits for, from the figures of its two kernels.
//!
//! Reads one instant, without memory: what lasts is in the figures as ages, so that a cause does not change from one sample to the
//! next.

mod signals;
mod stream;
#[cfg(test)]
mod tests;
mod unread;

use echoctl_record::{ConnectionCause, ConnectionFigures, ConnectionPhase, Diagnosis};

use signals::Signals;
pub use unread::diagnose_reader;

/// What the connection waits for, and how long it has.
pub fn diagnose(figures: &ConnectionFigures) -> Diagnosis {
    let signals = Signals::of(figures);
    let cause = classify(figures.phase, &signals);
    Diagnosis { cause, seconds: signals.age(cause), ..Diagnosis::default() }
}

/// The decision table: the first line whose condition holds gives the cause.
fn classify(phase: ConnectionPhase, s: &Signals) -> ConnectionCause {
    match phase {
        ConnectionPhase::InAcceptQueue => ConnectionCause::InAcceptQueue,
        _ if s.is_gone() => ConnectionCause::PeerGone,
        ConnectionPhase::ClosedByServer if s.to_client.is_stalled() || s.to_client.is_slow() => {
            ConnectionCause::ClosedByServer
        }
        _ if s.both_wait() => ConnectionCause::BothWait,
        _ if s.to_client.is_stalled() => ConnectionCause::ClientDoesNotRead,
        _ if s.to_client.is_slow() => ConnectionCause::ClientReadsSlowly,
        ConnectionPhase::ClosedByClient if s.is_abandoned() => ConnectionCause::ClosedByClient,
        _ if s.to_server.is_stalled() => ConnectionCause::ServerDoesNotRead,
        _ if s.to_server.is_slow() => ConnectionCause::ServerReadsSlowly,
        _ if s.is_moving() => ConnectionCause::Flows,
        _ => ConnectionCause::Idle,
    }
}
