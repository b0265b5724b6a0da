//! Finds the trend of a series of measurements in spite of garbage collection.
//!
//! The memory of a managed runtime is a sawtooth above a floor. Single samples of it are meaningless, so trends are computed from
//! medians of windows and from the floor: the minimum of all later values. A queue raises the floor, garbage does not.

/// A series of (x, y), x ascending: time or bytes against memory.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<(f64, f64)>);

impl Series {
    /// A series of points in ascending order of x.
    pub fn new(points: impl IntoIterator<Item = (f64, f64)>) -> Series {
        Series(points.into_iter().collect())
    }

    /// The part from `x` on.
    pub(crate) fn since(&self, x: f64) -> Series {
        Series(self.0.iter().copied().filter(|point| point.0 >= x).collect())
    }

    /// The least y from each point on. Its growth is growth that was never released.
    pub(crate) fn floor(&self) -> Series {
        let mut floor = self.0.clone();
        for i in (1..floor.len()).rev() {
            floor[i - 1].1 = floor[i - 1].1.min(floor[i].1);
        }
        Series(floor)
    }

    /// How the series moves: the median of each of [`WINDOWS`] equal windows of x, compared.
    pub(crate) fn movement(&self) -> Movement {
        let (Some(&(start, first)), Some(&(end, _))) = (self.0.first(), self.0.last()) else {
            return Movement::default();
        };
        let width = (end - start) / WINDOWS as f64;
        if width <= 0.0 {
            return Movement { first, last: first, least: first, most: first, ..Movement::default() };
        }
        let medians: Vec<f64> = (0..WINDOWS)
            .filter_map(|window| {
                let inside = |x: f64| ((x - start) / width).min(WINDOWS as f64 - 0.5) as usize == window;
                median(self.0.iter().filter(|point| inside(point.0)).map(|point| point.1).collect())
            })
            .collect();
        let steps = medians.windows(2).map(|pair| pair[1] - pair[0]);
        Movement {
            first: medians.first().copied().unwrap_or(first),
            last: medians.last().copied().unwrap_or(first),
            up: steps.clone().filter(|step| *step > 0.0).count(),
            steps: medians.len().saturating_sub(1),
            least: medians.iter().copied().fold(f64::INFINITY, f64::min),
            most: medians.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }

    /// The slope by Theil and Sen: the median of the slopes of all pairs. 0 without a trend.
    pub(crate) fn slope(&self) -> f64 {
        self.trend().map_or(0.0, |trend| trend.slope)
    }

    /// The direction of the series. `None` if all points have the same x.
    pub fn trend(&self) -> Option<Trend> {
        // 120 points have 7,140 pairs: less than a millisecond of work, and more points would not be more accurate.
        let stride = self.0.len().div_ceil(120).max(1);
        let points: Vec<(f64, f64)> = self.0.iter().copied().step_by(stride).collect();
        let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
        for (i, a) in points.iter().enumerate() {
            slopes.extend(points[i + 1..].iter().filter(|b| b.0 > a.0).map(|b| (b.1 - a.1) / (b.0 - a.0)));
        }
        let part = |is: fn(&&f64) -> bool| slopes.iter().filter(is).count() as f64 / slopes.len() as f64;
        let tau = part(|slope| **slope > 0.0) - part(|slope| **slope < 0.0);
        Some(Trend { slope: median(slopes)?, tau })
    }

    /// The series, or `None` if it has no points.
    pub(crate) fn visible(self) -> Option<Series> {
        (!self.0.is_empty()).then_some(self)
    }
}

/// The direction of a series. Both figures are robust against outliers: up to a third of the points may be some.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The median of the slopes between all pairs of points.
    pub slope: f64,
    /// Kendall's tau: the fraction of pairs that rise minus the fraction that fall. 1 if all rise. Ten points without any trend
    /// give 0.6 or more once in 120 times.
    pub tau: f64,
}

/// How a series moves over its windows.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Movement {
    /// The median of the first window.
    pub(crate) first: f64,
    /// The median of the last window.
    pub(crate) last: f64,
    /// Windows that are above the one before.
    pub(crate) up: usize,
    /// Comparisons made.
    pub(crate) steps: usize,
    /// The lowest median, …
    pub(crate) least: f64,
    /// … and the highest one.
    pub(crate) most: f64,
}

impl Movement {
    /// Growth from the first window to the last; negative if it fell.
    pub(crate) fn rise(&self) -> f64 {
        self.last - self.first
    }

    /// How far it went up and down, in whatever order.
    pub(crate) fn swing(&self) -> f64 {
        self.most - self.least
    }

    /// Whether it went up in every step but one.
    pub(crate) fn is_steady(&self) -> bool {
        self.steps >= WINDOWS / 2 && self.up + 1 >= self.steps
    }
}

/// The middle value; `None` if there are no values.
fn median(mut values: Vec<f64>) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// Number of windows: enough to distinguish a steady rise from a single step, with several samples each in 3.5 s.
const WINDOWS: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    fn series(f: impl Fn(f64) -> f64) -> Series {
        Series::new((0..70).map(|i| (f64::from(i) / 10.0, f(f64::from(i) / 10.0))))
    }

    #[test]
    fn a_line_has_its_slope_and_rises_steadily() {
        let line = series(|x| 5.0 + 2.0 * x);

        assert!((line.slope() - 2.0).abs() < 1e-9);
        assert!(line.movement().is_steady());
        assert!((line.floor().slope() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn a_sawtooth_has_a_flat_floor() {
        let teeth = series(|x| 100.0 * (x % 1.5));

        assert!(teeth.floor().since(0.0).slope() < 10.0);
        assert!(!teeth.movement().is_steady());
    }

    #[test]
    fn a_step_is_not_a_steady_rise() {
        assert!(!series(|x| if x < 3.0 { 0.0 } else { 50.0 }).movement().is_steady());
    }

    #[test]
    fn outliers_do_not_bend_the_slope() {
        assert!((series(|x| if (x * 10.0) as i32 % 7 == 0 { 1e9 } else { x }).slope() - 1.0).abs() < 0.05);
    }

    fn trend(values: &[f64]) -> Trend {
        Series::new(values.iter().enumerate().map(|(x, y)| (x as f64, *y))).trend().expect("x differs")
    }

    #[test]
    fn a_trend_has_a_slope_and_a_certainty() {
        assert_eq!(trend(&[1.0, 3.0, 5.0, 7.0, 9.0]), Trend { slope: 2.0, tau: 1.0 });
        assert_eq!(trend(&[9.0, 7.0, 5.0]), Trend { slope: -2.0, tau: -1.0 });

        let with_outlier = trend(&[0.0, 1.0, 2.0, 300.0, 4.0, 5.0, 6.0, 7.0]);

        assert!((0.9..1.5).contains(&with_outlier.slope), "{with_outlier:?}");
    }

    #[test]
    fn an_initial_step_and_noise_have_no_trend() {
        assert_eq!(trend(&[1.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0]).slope, 0.0);
        assert!(trend(&[4.0, 6.0, 3.0, 5.0, 7.0, 4.0, 6.0, 3.0, 5.0, 4.0]).tau < 0.3);
        assert_eq!(Series::new([(1.0, 1.0), (1.0, 5.0)]).trend(), None);
    }

    #[test]
    fn empty_and_single_series_have_no_movement() {
        assert_eq!(Series::default().movement().rise(), 0.0);
        assert_eq!(Series::new([(1.0, 5.0)]).movement().rise(), 0.0);
        assert_eq!(Series::default().slope(), 0.0);
    }
}
