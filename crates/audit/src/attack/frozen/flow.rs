//! The time before the freeze: the client connects, and bytes flow from the server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use echoctl_observe::{SamplingInterval, SamplingSchedule};
use echoctl_record::{Point, Sample};

use super::ClientFailure;
use super::client::Client;
use crate::Error;
use crate::attack::monitor::Monitor;

/// When a client is frozen, counted from its first bytes from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FreezeAfter {
    /// After 1.2 seconds in which more than a greeting came. A shorter time would not show whether the server sends steadily or in
    /// one burst. If little comes, after five.
    #[default]
    Flow,
    /// After this time.
    Time(Duration),
    /// After this number of bytes.
    Bytes(u64),
}

/// What a client got before it was frozen.
#[derive(Debug)]
pub(super) struct Flow {
    /// The samples.
    pub(super) points: Vec<Point>,
    /// Bytes that another client should get, and how long after its start this one had them.
    pub(super) wanted: u64,
    pub(super) wanted_after: Duration,
}

/// Waits for a flow until the client is due to be frozen. `watched` receives each sample.
///
/// # Errors
/// [`Error::Client`] when nothing flows, or when the client exits or is disconnected; [`Error::Interrupted`].
pub(super) fn await_flow(
    client: &mut Client,
    after: FreezeAfter,
    monitor: &mut Monitor,
    stop: &AtomicBool,
    watched: &mut dyn FnMut(&Sample),
) -> Result<Flow, Error> {
    let first = await_first_bytes(client, stop)?;
    monitor.begin();
    client.connections.begin();
    let mut schedule = SamplingSchedule::new(SamplingInterval::default());
    let mut course = Course::new(client.age());
    let (mut points, mut closed) = (Vec::new(), None);
    loop {
        client.look();
        let received = client.connections.received();
        course.note(client.age(), received);
        if schedule.due(Instant::now(), 0).is_some() {
            let point = monitor.complete(client.connections.traffic(monitor.elapsed())).point;
            watched(&point.sample);
            points.push(point);
        }
        check_stop(stop)?;
        if let Some(how) = client.ended() {
            let (after, output) = (first.elapsed(), client.last_output());
            return Err(ClientFailure::Finished { how, after, received, output }.into());
        }
        if client.connections.closed().is_some() {
            // A client that exits closes its connections first.
            if closed.get_or_insert_with(Instant::now).elapsed() >= EXITING {
                return Err(ClientFailure::Disconnected { received, output: client.last_output() }.into());
            }
        } else if course.is_silent(after) {
            return Err(nothing_flows(client, received, course.silent));
        } else if is_due(after, first.elapsed(), received) {
            let (wanted, wanted_after) = course.half();
            return Ok(Flow { points, wanted, wanted_after });
        }
        std::thread::sleep(LOOK);
    }
}

/// Waits until the client has a connection, and bytes have come over it. Returns when.
fn await_first_bytes(client: &mut Client, stop: &AtomicBool) -> Result<Instant, Error> {
    let mut connected: Option<Instant> = None;
    loop {
        client.look();
        if client.connections.received() > 0 {
            return Ok(Instant::now());
        }
        if !client.connections.is_empty() {
            let silent = connected.get_or_insert_with(Instant::now).elapsed();
            if silent >= PATIENCE {
                return Err(nothing_flows(client, 0, silent));
            }
        }
        if let Some(how) = client.ended() {
            let (addr, output) = (client.connections.addr().clone(), client.last_output());
            return Err(ClientFailure::ReceivedNothing { addr, how, output }.into());
        }
        if client.connections.is_empty() && client.age() >= PATIENCE {
            let (addr, output) = (client.connections.addr().clone(), client.last_output());
            return Err(ClientFailure::NoConnection { addr, waited: client.age(), output }.into());
        }
        check_stop(stop)?;
        std::thread::sleep(LOOK);
    }
}

fn check_stop(stop: &AtomicBool) -> Result<(), Error> {
    if stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
}

fn nothing_flows(client: &Client, received: u64, silent: Duration) -> Error {
    ClientFailure::NothingFlows { received, silent, output: client.last_output() }.into()
}

/// Whether a client is to be frozen `elapsed` after its first bytes.
fn is_due(after: FreezeAfter, elapsed: Duration, received: u64) -> bool {
    match after {
        FreezeAfter::Flow => elapsed >= FLOWING && (received >= GREETING || elapsed >= TRICKLING),
        FreezeAfter::Time(time) => elapsed >= time,
        FreezeAfter::Bytes(bytes) => received >= bytes,
    }
}

/// How many bytes had come at which time.
#[derive(Debug)]
struct Course {
    /// Time since the start of the client, and bytes received by then; the first few steps and the last one.
    steps: Vec<(Duration, u64)>,
    /// How long nothing has come.
    silent: Duration,
    moved: Duration,
}

impl Course {
    fn new(now: Duration) -> Course {
        Course { steps: Vec::new(), silent: Duration::ZERO, moved: now }
    }

    fn note(&mut self, now: Duration, received: u64) {
        if self.steps.last().is_none_or(|last| last.1 < received) {
            self.moved = now;
            if self.steps.last().is_none_or(|last| last.1 < 2 * GREETING) {
                self.steps.push((now, received));
            }
        }
        self.silent = now.saturating_sub(self.moved);
    }

    /// Whether nothing has come for so long that there is no flow.
    fn is_silent(&self, after: FreezeAfter) -> bool {
        match after {
            FreezeAfter::Flow => {
                self.steps.last().is_none_or(|last| last.1 < GREETING) && self.silent >= SILENT
            }
            FreezeAfter::Time(_) => false,
            FreezeAfter::Bytes(_) => self.silent >= PATIENCE,
        }
    }

    /// Half of what came first, at most half of [`GREETING`] bytes, and when it had come.
    fn half(&self) -> (u64, Duration) {
        let wanted = self.steps.last().map_or(0, |last| last.1).min(GREETING).div_ceil(2);
        let reached = self.steps.iter().find(|step| step.1 >= wanted);
        (wanted, reached.map_or(Duration::ZERO, |step| step.0))
    }
}

/// Time in which a steady flow is distinguished from one burst, which the rule does for a flow of one second.
const FLOWING: Duration = Duration::from_millis(1200);

/// Bytes that are more than a greeting or a handshake.
const GREETING: u64 = 64 << 10;

/// Time until a client is frozen that gets little.
const TRICKLING: Duration = Duration::from_secs(5);

/// Time without a byte after which a client that got no more than a greeting has no flow.
const SILENT: Duration = Duration::from_millis(2500);

/// How long the first connection or byte is waited for: an interpreter starts, a user is logged in, a query is planned.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time for a client to exit after it has closed its connections, or to connect again.
const EXITING: Duration = Duration::from_secs(2);

/// Interval of looks: two take some microseconds per connection, and a fast server sends a megabyte in it.
const LOOK: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_steady_flow_is_frozen_soon_and_a_trickle_later() {
        let is_due = |elapsed, received| is_due(FreezeAfter::Flow, elapsed, received);
        assert!(!is_due(SECOND / 2, 1 << 30));
        assert!(is_due(2 * SECOND, 64 << 10));
        assert!(!is_due(4 * SECOND, 100));
        assert!(is_due(5 * SECOND, 100));
    }

    #[test]
    fn a_time_or_a_number_of_bytes_is_met() {
        assert!(is_due(FreezeAfter::Time(SECOND), SECOND, 0));
        assert!(!is_due(FreezeAfter::Time(SECOND), SECOND / 2, 1 << 30));
        assert!(is_due(FreezeAfter::Bytes(100), Duration::ZERO, 100));
        assert!(!is_due(FreezeAfter::Bytes(100), 9 * SECOND, 99));
    }

    #[test]
    fn a_greeting_without_more_is_no_flow() {
        let mut course = Course::new(SECOND);
        course.note(SECOND, 500);
        course.note(3 * SECOND, 500);
        assert!(!course.is_silent(FreezeAfter::Flow));
        course.note(4 * SECOND, 500);

        assert!(course.is_silent(FreezeAfter::Flow) && !course.is_silent(FreezeAfter::Time(SECOND)));
        course.note(5 * SECOND, 600);
        assert!(!course.is_silent(FreezeAfter::Flow));
    }

    #[test]
    fn another_client_should_get_half_of_what_came_first() {
        let mut course = Course::new(SECOND);
        for (seconds, received) in [(1, 100), (2, 200), (3, 250)] {
            course.note(seconds * SECOND, received);
        }
        assert_eq!(course.half(), (125, 2 * SECOND));
        for (seconds, received) in [(4, 20 << 10), (5, 100 << 10), (6, 1 << 30), (7, 2 << 30)] {
            course.note(seconds * SECOND, received);
        }
        assert_eq!(course.half(), (32 << 10, 5 * SECOND));
        assert!(course.steps.len() < 8);
    }
}
