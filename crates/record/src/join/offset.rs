//! Estimates how far two clocks are apart, from the byte counters at both ends of connections.
//!
//! No byte arrives before it was sent. So the time at which an end has a number of bytes is later than any time at which the other
//! end had not yet sent them, and each such pair of readings limits the distance of the clocks, in one direction per direction of the
//! bytes:
//!
//! ```text
//! client's clock    produced < N |                                  | N acknowledged, or received
//! server's clock                        | N received      | < N received, or written
//! ```
//!
//! All of them together leave an interval. Its middle is the estimate, and half its length the uncertainty: about the interval of
//! the samples and the round-trip time, and less with many connections.

use super::LoggedConnection;
use crate::LogPoint;

/// How far the server's clock is ahead of the client's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClockOffset {
    /// From the counters: in seconds, and by how much it may be wrong.
    Estimated {
        /// Seconds; `None` if a recording does not say when it started, so that only the distance of their time axes is known.
        ahead: Option<f64>,
        /// Seconds.
        uncertainty: f64,
    },
    /// The counters do not limit it: too few bytes moved during both recordings. The clocks are taken to agree.
    Unknown,
}

/// Returns how much later on the server's time axis an instant is than on the client's, and the distance of their clocks. `slack` is
/// the most by which a time is earlier than its reading, and `starts` are the times at which the axes are 0.
pub(super) fn estimate(
    pairs: &[(&LoggedConnection, &LoggedConnection)],
    slack: f64,
    starts: Option<(f64, f64)>,
) -> (f64, ClockOffset) {
    let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
    for (client, server) in pairs {
        for (sent, arrived) in [(PRODUCED, SERVER_RECEIVED), (CLIENT_RECEIVED, CLIENT_RECEIVED)] {
            most = most.min(-latest_start(&client.points, sent, &server.points, arrived));
        }
        for (sent, arrived) in [(SERVER_RECEIVED, SERVER_RECEIVED), (SERVER_WRITTEN, CLIENT_RECEIVED)] {
            least = least.max(latest_start(&server.points, sent, &client.points, arrived));
        }
    }
    let (least, most) = (least - slack - WRITE, most + slack + WRITE);
    let by_clocks = starts.map(|(client, server)| client - server);
    if !least.is_finite() || !most.is_finite() {
        return (by_clocks.unwrap_or(0.0).max(least).min(most), ClockOffset::Unknown);
    }
    let axes = f64::midpoint(least, most);
    // Clocks that run at different rates contradict themselves a little in a long run.
    let uncertainty = (most - least).abs() / 2.0;
    (axes, ClockOffset::Estimated { ahead: by_clocks.map(|by_clocks| axes - by_clocks), uncertainty })
}

/// The largest difference between a time at which one end had not sent a number of bytes, and the time at which the other has them.
/// Both are on their own axis. A number that the first end never reaches is none of its bytes.
fn latest_start(from: &[LogPoint], sent: usize, to: &[LogPoint], arrived: usize) -> f64 {
    // What is computed from two numbers of the kernel may fall again: a maximum does not.
    let mut highest = 0;
    let reached: Vec<(f64, u64)> = from
        .iter()
        .filter_map(|point| {
            highest = highest.max(point.1[sent]?);
            Some((point.0, highest))
        })
        .collect();
    let differences = to.iter().filter_map(|point| {
        let bytes = point.1[arrived]?;
        let next = reached.partition_point(|(_, sent)| *sent < bytes);
        let not_yet = next.checked_sub(1).filter(|_| next < reached.len())?;
        Some(reached[not_yet].0 - point.0)
    });
    differences.fold(f64::NEG_INFINITY, f64::max)
}

/// Places of counters on the path.
const PRODUCED: usize = 0;
const SERVER_RECEIVED: usize = 1;
const SERVER_WRITTEN: usize = 3;
const CLIENT_RECEIVED: usize = 4;

/// Seconds from the first byte of a write in the kernel until a client counts the write.
const WRITE: f64 = 0.001;
