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

/// The longest pause in reading and writing up to the time `until` that the output does not explain: the output did not wait, or
/// the pause ended although the client had read nothing meanwhile.
/// Such a server pauses on its own, or reads on although its
/// output waits.
pub(crate) fn unprompted_pause(points: &[Point], until: f64) -> f64 {
    let (mut last, mut longest) = (0, 0.0_f64);
    for (at, point) in points.iter().enumerate().take_while(|(_, point)| point.sample.t <= until) {
        let before = &points[last];
        let moved = |point: &Point| point.server_read().saturating_add(point.server_written());
        if moved(point).saturating_sub(moved(before)) <= MOVEMENT {
            continue;
        }
        let is_prompted =
            point.sample.consumed > before.sample.consumed && output_waits_in(&points[last..at]);
        if !is_prompted {
            longest = longest.max(point.sample.t - before.sample.t);
        }
        last = at;
    }
    longest
}

/// Whether the kernel accepted no more output for at least half of the time.
pub(crate) fn output_waits_in(points: &[Point]) -> bool {
    let waiting = points.iter().filter(|point| output_waits(point)).count();
    !points.is_empty() && waiting * 2 >= points.len()
}

/// Whether the kernel accepts no more output, as far as that is visible.
fn output_waits(point: &Point) -> bool {
    point.output_is_full.unwrap_or(point.output_waiting() > 0)
}

/// Pauses that must have been watched before silence is a stall: one pause may be longer than those before.
pub(crate) const WATCH_PER_GAP: f64 = 2.5;

/// Bytes that count as a movement: pings and window probes never stop.
const MOVEMENT: u64 = 4096;
