//! Places labels beside their lines, never on each other, and not on other lines if there is room.
//!
//! Each label is tried at positions along its line, around each of them, and then anywhere. It must be inside the picture and must
//! not overlap labels placed before. Avoiding lines has priority over all other preferences: only if there is no free position
//! does a label cover a line, as little as possible. If every position overlaps a label, the label is left out.
//!
//! Coordinates are the picture's: to the right and down.

/// A rectangle: left and right, top and bottom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

/// The picture in which labels are placed.
pub(crate) struct Placer {
    area: Rect,
    /// The lines of the picture, as drawn.
    lines: Vec<Vec<(f64, f64)>>,
    occupied: Vec<Rect>,
    /// Distance between a label and its own line.
    gap: f64,
    /// Whether coordinates are cells, which a label fills completely.
    in_cells: bool,
}

impl Placer {
    /// An empty picture of size `area` with these lines.
    pub(crate) fn new(area: Rect, lines: Vec<Vec<(f64, f64)>>, gap: f64) -> Placer {
        Placer { area, lines, occupied: Vec::new(), gap, in_cells: false }
    }

    /// The same for a picture of character cells.
    pub(crate) fn in_cells(area: Rect, lines: Vec<Vec<(f64, f64)>>) -> Placer {
        Placer { in_cells: true, ..Placer::new(area, lines, 0.6) }
    }

    /// Reserves `rect`.
    pub(crate) fn occupy(&mut self, rect: Rect) {
        self.occupied.push(rect);
    }

    /// A position for a label of `width` and `height` at the line of index `line`.
    pub(crate) fn beside(&mut self, line: usize, width: f64, height: f64) -> Option<Rect> {
        let anchors = self.anchors(line, height);
        let candidates = anchors.iter().flat_map(|(x, y, distance)| {
            let (gap, above, below) = (self.gap, y - self.gap - height, y + self.gap);
            let around = [
                // Above, below; then the corners, for a slope, and the sides, for where the line is steep.
                (x - width / 2.0, above, 0.0),
                (x - width / 2.0, below, 0.4),
                (x - width - gap, above, 0.1),
                (x + gap, above, 0.1),
                (x - width - gap, below, 0.5),
                (x + gap, below, 0.5),
                (x - width - 1.5 * gap, y - height / 2.0, 0.2),
                (x + 1.5 * gap, y - height / 2.0, 0.2),
            ];
            around.map(|(left, top, dislike)| (Rect::sized(left, top, width, height), dislike + distance))
        });
        let all = candidates.chain(self.anywhere(line, width, height)).collect();
        self.cheapest(all, line)
    }

    /// Positions along a line, each with its cost. Preferred are the highest point of the line, or a point near its end if it is flat,
    /// and points far from other lines.
    fn anchors(&self, line: usize, height: f64) -> Vec<(f64, f64, f64)> {
        let points = &self.lines[line];
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
        let highest = points.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(*first);
        let rise = points.iter().map(|point| point.1 - highest.1).fold(0.0, f64::max);
        let is_flat = rise < 0.08 * (self.area.bottom - self.area.top);
        let liked = if is_flat { first.0 + 0.8 * (last.0 - first.0) } else { highest.0 };
        let width = (self.area.right - self.area.left).max(1.0);
        let steps = (0..=ANCHORS).map(|step| first.0 + (last.0 - first.0) * step as f64 / ANCHORS as f64);
        let along = steps.chain([highest.0]).filter_map(|x| Some((x, height_at(points, x)?)));
        let dislike = |x: f64, y: f64| 3.0 * (x - liked).abs() / width + 2.0 * self.crowd(line, x, y, height);
        along.map(|(x, y)| (x, y, dislike(x, y))).collect()
    }

    /// How close another line is: 1 if it is on this one, so that the label would be ambiguous, and 0 from a distance of three lines of
    /// text.
    fn crowd(&self, line: usize, x: f64, y: f64, height: f64) -> f64 {
        let others = self.lines.iter().enumerate().filter(|(index, _)| *index != line);
        let nearest = others.filter_map(|(_, points)| height_at(points, x)).map(|other| (other - y).abs());
        1.0 - nearest.fold(3.0 * height, f64::min) / (3.0 * height)
    }

    /// Positions all over the picture, each with a higher cost than any beside the line, increasing with the distance from it.
    fn anywhere(&self, line: usize, width: f64, height: f64) -> Vec<(Rect, f64)> {
        let (rows, columns) = (24, 12);
        let down = (self.area.bottom - self.area.top - height) / f64::from(rows);
        let across = (self.area.right - self.area.left - width) / f64::from(columns);
        let place = |row, column| {
            let (left, top) =
                (self.area.left + across * f64::from(column), self.area.top + down * f64::from(row));
            let away = height_at(&self.lines[line], left + width / 2.0)
                .map_or(self.area.bottom - self.area.top, |y| (y - top - height / 2.0).abs());
            (Rect::sized(left, top, width, height), BESIDE + away / height)
        };
        (0..=rows).flat_map(|row| (0..=columns).map(move |column| place(row, column))).collect()
    }

    /// Chooses the possible candidate with the lowest cost.
    fn cheapest(&mut self, candidates: Vec<(Rect, f64)>, line: usize) -> Option<Rect> {
        let possible = |rect: &Rect| {
            rect.is_within(&self.area) && !self.occupied.iter().any(|occupied| occupied.overlaps(rect))
        };
        let cost = |rect: &Rect| -> f64 {
            let covered = self.lines.iter().enumerate().map(|(index, points)| {
                if !rect.touches(points, self.clearance()) {
                    return 0.0;
                }
                let weight = if index == line { 2.0 } else { 4.0 };
                COVERING + weight * rect.covers(points)
            });
            covered.sum()
        };
        let snapped = candidates.into_iter().map(|(rect, dislike)| match self.in_cells {
            true => (rect.snapped(), dislike),
            false => (rect, dislike),
        });
        let best = snapped
            .filter(|(rect, _)| possible(rect))
            .map(|(rect, dislike)| (rect, dislike + cost(&rect)))
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        self.occupied.push(best.0);
        Some(best.0)
    }

    /// Minimum distance between a label and the middle of a line. Drawn lines have a width, which is less than the gap. A line of cells
    /// fills only the cells that it passes through.
    fn clearance(&self) -> f64 {
        if self.in_cells { 0.0 } else { 0.6 * self.gap }
    }
}

impl Rect {
    pub(crate) fn sized(left: f64, top: f64, width: f64, height: f64) -> Rect {
        Rect { left, top, right: left + width, bottom: top + height }
    }

    fn snapped(&self) -> Rect {
        Rect::sized(self.left.round(), self.top.round(), self.right - self.left, self.bottom - self.top)
    }

    pub(crate) fn overlaps(&self, other: &Rect) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn is_within(&self, other: &Rect) -> bool {
        self.left >= other.left
            && self.right <= other.right
            && self.top >= other.top
            && self.bottom <= other.bottom
    }

    /// Whether a line comes closer than `clearance`. A line is continuous, so its span over the width is sufficient.
    fn touches(&self, points: &[(f64, f64)], clearance: f64) -> bool {
        span_of(points, self.left - clearance, self.right + clearance)
            .is_some_and(|(top, bottom)| top <= self.bottom + clearance && bottom >= self.top - clearance)
    }

    /// How much of a line it covers, as a fraction of its own width.
    fn covers(&self, points: &[(f64, f64)]) -> f64 {
        let samples = 8;
        let hit = |step: &i32| {
            let x = self.left + (self.right - self.left) * f64::from(*step) / f64::from(samples);
            // A steep line may pass between two samples, so its span over the whole step counts.
            let half = (self.right - self.left) / f64::from(samples) / 2.0;
            span_of(points, x - half, x + half)
                .is_some_and(|(top, bottom)| top < self.bottom && bottom > self.top)
        };
        (0..=samples).filter(hit).count() as f64 / f64::from(samples)
    }
}

/// The height of a line at `x`; `None` outside of it. Points are in ascending order of x.
pub(crate) fn height_at(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let after = points.partition_point(|point| point.0 < x);
    let (right, to) = *points.get(after)?;
    let Some((left, from)) = after.checked_sub(1).map(|before| points[before]) else {
        return (right == x).then_some(to);
    };
    let part = if right > left { (x - left) / (right - left) } else { 1.0 };
    Some(from + (to - from) * part)
}

/// The smallest and the largest height of a line between two positions.
pub(crate) fn span_of(points: &[(f64, f64)], from: f64, to: f64) -> Option<(f64, f64)> {
    let inside =
        points.partition_point(|point| point.0 < from)..points.partition_point(|point| point.0 <= to);
    let ends = [height_at(points, from), height_at(points, to)].into_iter().flatten();
    let all = points[inside].iter().map(|point| point.1).chain(ends);
    all.fold(None, |span: Option<(f64, f64)>, y| {
        Some(span.map_or((y, y), |(least, most)| (least.min(y), most.max(y))))
    })
}

/// Positions tried along a line: enough to find a gap as wide as a short label.
const ANCHORS: usize = 32;

/// Cost of a position away from the line: more than any position beside it.
const BESIDE: f64 = 20.0;

/// Cost of covering a line: more than any position that covers none.
const COVERING: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Rect = Rect { left: 0.0, top: 0.0, right: 400.0, bottom: 200.0 };

    #[test]
    fn labels_of_lines_on_top_of_each_other_do_not_overlap() {
        let flat = vec![(0.0, 190.0), (400.0, 190.0)];
        let mut placer = Placer::new(AREA, vec![flat; 6], 4.0);

        let placed: Vec<Rect> = (0..6).filter_map(|line| placer.beside(line, 120.0, 18.0)).collect();

        assert_eq!(placed.len(), 6);
        for (index, rect) in placed.iter().enumerate() {
            assert!(rect.is_within(&AREA), "{rect:?}");
            assert!(placed[..index].iter().all(|other| !other.overlaps(rect)), "{placed:?}");
        }
    }

    #[test]
    fn a_label_without_room_is_left_out() {
        let mut placer = Placer::new(AREA, vec![vec![(0.0, 50.0), (400.0, 50.0)]], 4.0);
        placer.occupy(AREA);

        assert_eq!(placer.beside(0, 100.0, 18.0), None);
    }

    #[test]
    fn a_label_avoids_lines_where_there_is_room() {
        let peak = vec![(0.0, 200.0), (150.0, 200.0), (300.0, 60.0), (310.0, 200.0), (400.0, 200.0)];
        let mut placer = Placer::new(AREA, vec![peak.clone()], 4.0);

        let rect = placer.beside(0, 100.0, 18.0).expect("there is room");

        assert_eq!(rect.covers(&peak), 0.0, "{rect:?}");
    }

    #[test]
    fn labels_touch_no_line_on_slopes_crossings_and_ends_at_zero() {
        let pictures = [
            // One run grows without end, the other rises, stops, and stays.
            vec![vec![(0.0, 200.0), (400.0, 0.0)], vec![(0.0, 200.0), (60.0, 150.0), (400.0, 150.0)]],
            // Two lines cross.
            vec![vec![(0.0, 200.0), (400.0, 0.0)], vec![(0.0, 0.0), (400.0, 200.0)]],
            // Both rise together and part late.
            vec![vec![(0.0, 200.0), (400.0, 10.0)], vec![(0.0, 200.0), (200.0, 105.0), (400.0, 90.0)]],
            // One falls to zero, the other lies there all the time.
            vec![vec![(0.0, 0.0), (300.0, 200.0), (400.0, 200.0)], vec![(0.0, 200.0), (400.0, 200.0)]],
        ];
        for (lines, width) in pictures.iter().flat_map(|lines| [60.0, 150.0].map(|width| (lines, width))) {
            let mut placer = Placer::new(AREA, lines.clone(), 6.0);
            let placed: Vec<Rect> =
                (0..2).map(|line| placer.beside(line, width, 20.0).expect("there is room")).collect();

            assert!(!placed[0].overlaps(&placed[1]), "{placed:?}");
            for rect in &placed {
                assert!(rect.is_within(&AREA), "{rect:?}");
                assert!(!lines.iter().any(|line| rect.touches(line, 3.0)), "{rect:?} on {lines:?}");
            }
        }
    }

    #[test]
    fn empty_and_single_point_lines_have_labels() {
        let mut placer = Placer::new(AREA, vec![vec![], vec![(20.0, 30.0)]], 4.0);

        assert!(placer.beside(0, 50.0, 18.0).is_some());
        assert!(placer.beside(1, 50.0, 18.0).is_some());
    }
}
