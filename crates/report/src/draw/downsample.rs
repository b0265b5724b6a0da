//! Reduces a series to as many points as a picture can show, without losing extremes.
//!
//! Of all points in one column of the picture the first, the lowest, the highest and the last remain. All others are within that
//! column and between those heights, so the picture is the same as with all points.

/// `points` (in ascending order of x), reduced for a picture of `columns` columns between 0 and `end`.
pub(crate) fn downsample(points: &[(f64, f64)], end: f64, columns: usize) -> Vec<(f64, f64)> {
    if points.len() <= columns {
        return points.to_vec();
    }
    let column = |x: f64| ((x / end * columns as f64).max(0.0) as usize).min(columns.saturating_sub(1));
    let mut reduced = Vec::new();
    for group in points.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let by_height = |a: &usize, b: &usize| group[*a].1.total_cmp(&group[*b].1);
        let lowest = (0..group.len()).min_by(by_height).unwrap_or_default();
        let highest = (0..group.len()).max_by(by_height).unwrap_or_default();
        let mut chosen = [0, lowest, highest, group.len() - 1];
        chosen.sort_unstable();
        reduced.extend(chosen.chunk_by(|a, b| a == b).map(|same| group[same[0]]));
    }
    reduced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_and_ends_remain_and_the_number_is_limited() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        points[4_321].1 = 1e9;
        points[8_765].1 = -1e9;

        let reduced = downsample(&points, 9_999.0, 50);

        assert!(reduced.len() <= 4 * 50, "{} points stayed", reduced.len());
        assert!(reduced.contains(&(4_321.0, 1e9)) && reduced.contains(&(8_765.0, -1e9)));
        assert_eq!((reduced.first(), reduced.last()), (points.first(), points.last()));
        assert!(reduced.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn few_points_are_unchanged() {
        assert_eq!(downsample(&[], 1.0, 5), []);
        assert_eq!(downsample(&[(0.5, 2.0)], 1.0, 5), [(0.5, 2.0)]);
    }

    #[test]
    fn points_outside_the_picture_belong_to_its_edge_columns() {
        let points: Vec<(f64, f64)> = (-50..150).map(|i| (f64::from(i), 1.0)).collect();

        assert!(downsample(&points, 100.0, 10).len() <= 40);
    }
}
