//! Finds how long a producer pauses, so that a pause is not mistaken for a stall.

use echoctl_record::Point;

/// How the bytes of an attack moved by themselves: apart from what the server did because the slow reader read meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct OwnMovement {
    /// The time of the last movement.
    pub(crate) last: f64,
    /// The longest time between two movements; 0 if there were less than two.
    pub(crate) longest_gap: f64,
    /// How long nothing has moved since the last movement, without the time in which the slow reader read.
    pub(crate) quiet: f64,
    /// The last point before the slow reader read, if nothing has moved by itself since then.
    pub(crate) before_drain: Option<Point>,
}

/// The movement of the bytes that `moved` counts.
pub(crate) fn own_movement(points: &[Point], moved: impl Fn(&Point) -> u64) -> OwnMovement {
    let Some(first) = points.first() else { return OwnMovement::default() };
    let mut own = OwnMovement { last: first.sample.t, ..OwnMovement::default() };
    let (mut bytes, mut has_moved) = (moved(first), false);
    // The start of the present pause without what a drain prompted, and until when a movement is taken for its consequence.
    let (mut since, mut prompted_until) = (first.sample.t, f64::NEG_INFINITY);
    for pair in points.windows(2) {
        let (before, now) = (&pair[0], &pair[1]);
        let t = now.sample.t;
        if now.after_drain {
            own.quiet += (before.sample.t - since).max(0.0);
            own.before_drain = Some(*before);
            prompted_until = t + AFTER_DRAIN;
            since = prompted_until;
        }
        if moved(now).saturating_sub(bytes) <= MOVEMENT {
            continue;
        }
        bytes = moved(now);
        if t < prompted_until {
            // A producer at a limited rate takes longer to fill the queues again, which have grown while they were drained.
            prompted_until = prompted_until.max(t + GOES_ON);
            since = since.max(t);
            continue;
        }
        if has_moved {
            own.longest_gap = own.longest_gap.max(own.quiet + (t - since).max(0.0));
        }
        has_moved = true;
        own = OwnMovement { last: t, quiet: 0.0, before_drain: None, ..own };
        since = t;
    }
    let end = points.last().map_or(0.0, |last| last.sample.t);
    own.quiet += (end - since).max(0.0);
    own
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
    let waiting = points.iter().filter(|point| point.output_is_blocked()).count();
    !points.is_empty() && waiting * 2 >= points.len()
}

/// Pauses that must have been watched before silence is a stall: one pause may be longer than those before.
pub(crate) const WATCH_PER_GAP: f64 = 2.5;

/// Bytes that count as a movement: pings and window probes never stop.
const MOVEMENT: u64 = 4096;

/// Seconds after a drain in which a server does what the drain prompted: it fills the queues again.
const AFTER_DRAIN: f64 = 1.0;

/// Seconds from one such movement to the next: longer than the last steps in which a queue of the kernel fills.
const GOES_ON: f64 = 0.5;

#[cfg(test)]
mod tests {
    use echoctl_record::Sample;

    use super::*;

    /// Ten samples per second up to `seconds`, with what was written at each time, and a drain before the one at 4 s.
    fn moving(seconds: u32, has_drained: bool, written: impl Fn(f64) -> u64) -> OwnMovement {
        let points = (0..=10 * seconds).map(|tenth| {
            let t = f64::from(tenth) / 10.0;
            let (written, after_drain) = (written(t), has_drained && tenth == 40);
            let sample = Sample { t, server_written: Some(written), ..Sample::default() };
            Point { sample, after_drain, ..Point::default() }
        });
        own_movement(&points.collect::<Vec<_>>(), Point::server_written)
    }

    fn is_about(seconds: f64, expected: f64) -> bool {
        (seconds - expected).abs() < 0.15
    }

    #[test]
    fn the_longest_pause_is_between_two_movements() {
        let steps = |t: f64| {
            if t < 1.0 {
                0
            } else if t < 4.0 {
                1
            } else {
                2
            }
        };
        let own = moving(9, false, |t| steps(t) << 20);

        assert!(
            is_about(own.longest_gap, 3.0) && is_about(own.last, 4.0) && is_about(own.quiet, 5.0),
            "{own:?}"
        );
        assert_eq!(own.before_drain, None);
        assert_eq!(moving(9, false, |_| 5).longest_gap, 0.0);
        assert_eq!(own_movement(&[], Point::server_written), OwnMovement::default());
    }

    #[test]
    fn what_a_drain_prompts_is_no_movement_of_its_own() {
        // A burst at once, and a drain after which the queues fill again.
        let drained = |t: f64| if t < 4.0 { 0 } else { 8 << 20 };
        let own = moving(9, true, |t| (4 << 20) + drained(t) / 2 + drained(t - 0.3) / 2);

        assert!(is_about(own.last, 0.0) && is_about(own.quiet, 7.9), "{own:?}");
        assert!(own.before_drain.is_some_and(|point| is_about(point.sample.t, 3.9)), "{own:?}");
    }

    #[test]
    fn a_slow_refill_after_a_drain_is_no_movement_of_its_own() {
        // 4 MiB/s until the queues are full; after the drain they hold more.
        let filled = |t: f64, seconds: f64| (t.clamp(0.0, seconds) * f64::from(4 << 20)) as u64;
        let own = moving(12, true, |t| filled(t, 0.5) + filled(t - 3.9, 3.0));

        assert!(is_about(own.longest_gap, 0.1), "{own:?}");
        assert!(is_about(own.quiet, 3.4 + 5.1) && own.before_drain.is_some(), "{own:?}");
    }

    #[test]
    fn a_burst_after_a_drain_ends_a_pause() {
        let burst = |t: f64| if t < 7.0 { 4 << 20 } else { 8 << 20 };
        let own = moving(9, true, |t| if t < 0.1 { 0 } else { burst(t) });

        assert!(is_about(own.longest_gap, 5.8) && is_about(own.quiet, 2.0), "{own:?}");
        assert_eq!(own.before_drain, None);
    }
}
