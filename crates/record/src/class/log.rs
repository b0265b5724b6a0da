//! The moments of a class in a recording, for a replay and for the marks in its charts.

use serde::{Deserialize, Serialize};

use super::{ClassState, Mark};

/// The moments of a class, in order of time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ClassLog {
    /// Every change of a setting.
    pub marks: Vec<Mark>,
    /// The moments, at most [`ClassLog::MAX_STATES`].
    pub states: Vec<ClassState>,
}

impl ClassLog {
    /// Moments of a log: ten minutes without a gap, and one every four seconds of a lecture. Their files have at most 15 MiB.
    pub const MAX_STATES: usize = 1200;

    /// Changes of a log.
    const MAX_MARKS: usize = 1000;

    /// Adds a moment. When there are too many, every second one is dropped, except the last.
    pub fn push(&mut self, state: ClassState) {
        let last = self.marks.last().map_or(f64::NEG_INFINITY, |mark| mark.t);
        let room = Self::MAX_MARKS.saturating_sub(self.marks.len());
        self.marks.extend(state.marks.iter().filter(|mark| mark.t > last).take(room).cloned());
        if self.states.len() >= Self::MAX_STATES {
            let mut nth = 0;
            self.states.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
        }
        self.states.push(state);
    }
}

#[cfg(test)]
mod tests {
    use super::super::ClassPoint;
    use super::*;

    #[test]
    fn a_long_class_is_thinned_and_keeps_its_marks() {
        let mut log = ClassLog::default();
        for at in 0..10_000 {
            let t = f64::from(at);
            // A state has only the latest marks.
            let marks = (at % 100 == 0).then(|| Mark { t, label: format!("{at}") });
            let (point, marks) = (ClassPoint { t, ..ClassPoint::default() }, marks.into_iter().collect());
            log.push(ClassState { point, marks, ..ClassState::default() });
        }

        assert!(log.states.len() <= ClassLog::MAX_STATES && log.states.len() >= ClassLog::MAX_STATES / 2);
        assert!(log.states.is_sorted_by(|one, other| one.point.t < other.point.t));
        let ends = (log.states[0].point.t, log.states.last().map(|state| state.point.t));
        assert_eq!(ends, (0.0, Some(9999.0)));
        assert_eq!(log.marks.len(), 100);
    }
}
