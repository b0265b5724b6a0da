//! What the chart of a class shows: the past, thinned evenly.

use serde::{Deserialize, Serialize};

/// One point of the chart. Sizes in bytes, times in seconds, rates in bytes per second; what is absent is not visible here.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassPoint {
    /// Since the class began.
    pub t: f64,
    /// Anonymous memory of the server's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Kernel memory of all ends on this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<u64>,
    /// Inside the server, of all connections.
    pub buffered: u64,
    /// From all clients together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receive_rate: Option<f64>,
    /// To all clients together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_rate: Option<f64>,
}

/// The points since the class began, at most [`ClassHistory::MAX_POINTS`]: when there are more, every second one is dropped, and from
/// then on half as many are added.
#[derive(Debug, Clone, Default)]
pub struct ClassHistory {
    points: Vec<ClassPoint>,
    /// Points seen since the last one that was added.
    skipped: usize,
    /// Every 2ⁿ-th point is added.
    halvings: u32,
}

impl ClassHistory {
    /// Maximum number of points: one per pixel of a projector's chart.
    pub const MAX_POINTS: usize = 1200;

    /// Adds a point, or none if it is not due. A point before the last one replaces all from its time on: a replay that jumps back.
    pub fn push(&mut self, point: ClassPoint) {
        if self.points.last().is_some_and(|last| point.t <= last.t) {
            self.points.retain(|earlier| earlier.t < point.t);
            self.skipped = 0;
        } else if !self.points.is_empty() {
            self.skipped += 1;
            if self.skipped < 1 << self.halvings {
                return;
            }
        }
        self.skipped = 0;
        if self.points.len() == ClassHistory::MAX_POINTS {
            let mut nth = 0;
            self.points.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.halvings += 1;
        }
        self.points.push(point);
    }

    /// The latest point.
    pub fn last(&self) -> Option<&ClassPoint> {
        self.points.last()
    }

    /// The points after `t`, in their order.
    pub fn after(&self, t: f64) -> &[ClassPoint] {
        &self.points[self.points.partition_point(|point| point.t <= t)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(points: usize) -> ClassHistory {
        let mut history = ClassHistory::default();
        for at in 0..points {
            history.push(ClassPoint { t: at as f64, ..ClassPoint::default() });
        }
        history
    }

    #[test]
    fn a_long_class_is_thinned_evenly_from_its_beginning() {
        for points in [1, 2, ClassHistory::MAX_POINTS, ClassHistory::MAX_POINTS + 1, 100_000] {
            let history = history(points);
            let kept = history.after(-1.0);

            assert_eq!(kept[0].t, 0.0);
            assert!(kept.len() <= ClassHistory::MAX_POINTS);
            assert!(kept.len() >= points.min(ClassHistory::MAX_POINTS / 2));
            let step = kept.get(1).map_or(1.0, |second| second.t);
            assert!(kept.windows(2).all(|two| two[1].t - two[0].t <= 2.0 * step), "{points}");
            assert!(points as f64 - kept[kept.len() - 1].t <= 2.0 * step, "{points}");
        }
    }

    #[test]
    fn a_jump_back_replaces_what_came_later() {
        let mut history = history(100);

        history.push(ClassPoint { t: 9.5, ..ClassPoint::default() });

        assert_eq!(history.after(8.0).iter().map(|point| point.t).collect::<Vec<_>>(), [9.0, 9.5]);
    }
}
