//! Finds how long a producer pauses, so that a pause is not mistaken for a stall.

use echoctl_record::Point;

/// The longest time between two movements of the bytes that `moved` counts, up to the time `until`, in seconds; 0 if they moved less
/// than twice.
pub(crate) fn longest_gap(points: &[Point], moved: impl Fn(&Point) -> u64, until: f64) -> f64 {
    let before = points.iter().take_while(|point| point.sample.t <= until);
    let mut gap: f64 = 0.0;
    let mut last: Option<(u64, f64)> = None;
    let mut bytes = points.first().map_or(0, &moved);
    for point in before {
        if moved(point).saturating_sub(bytes) <= MOVEMENT {
            continue;
        }
        bytes = moved(point);
        if let Some((_, t)) = last {
            gap = gap.max(point.sample.t - t);
        }
        last = Some((bytes, point.sample.t));
    }
    gap
}

/// Pauses that must have been watched before silence is a stall: one pause may be longer than those before.
pub(crate) const WATCH_PER_GAP: f64 = 2.5;

/// Bytes that count as a movement: pings and window probes never stop.
const MOVEMENT: u64 = 4096;
