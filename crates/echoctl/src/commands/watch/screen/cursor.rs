//! Which row of a list is selected, and which rows are on the screen.

/// The selected row, if there is one, and the first row on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Cursor {
    at: Option<usize>,
    top: usize,
    /// Rows that fit on the screen.
    room: usize,
}

/// A movement of the selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Movement {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

impl Cursor {
    /// The selected row.
    pub(super) fn at(&self) -> Option<usize> {
        self.at
    }

    /// The first row on the screen.
    pub(super) fn top(&self) -> usize {
        self.top
    }

    /// Rows that fit on the screen.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// Selects nothing, and shows the first row.
    pub(super) fn reset(&mut self) {
        *self = Cursor { room: self.room, ..Cursor::default() };
    }

    /// Selects the row `at` of `length`.
    pub(super) fn select(&mut self, at: usize, length: usize) {
        self.at = length.checked_sub(1).map(|last| at.min(last));
        self.fit(self.room, length);
    }

    /// Moves the selection in a list of `length` rows.
    pub(super) fn step(&mut self, movement: Movement, length: usize) {
        let page = self.room.max(1);
        let at = match (movement, self.at) {
            (Movement::First, _) | (Movement::Down | Movement::Up, None) => 0,
            (Movement::Last, _) => usize::MAX,
            (Movement::Down, Some(at)) => at.saturating_add(1),
            (Movement::Up, Some(at)) => at.saturating_sub(1),
            (Movement::PageDown, at) => at.unwrap_or(0).saturating_add(page),
            (Movement::PageUp, at) => at.unwrap_or(0).saturating_sub(page),
        };
        self.select(at, length);
    }

    /// Fits to a screen with room for this many rows of `length`: the selected row is on it, and it is full if there are enough.
    pub(super) fn fit(&mut self, room: usize, length: usize) {
        self.room = room;
        self.top = self.top.min(length.saturating_sub(room));
        match self.at {
            Some(at) => self.top = self.top.clamp((at + 1).saturating_sub(room.max(1)), at),
            None => self.top = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_always_on_the_screen() {
        let mut cursor = Cursor::default();
        cursor.fit(10, 95);
        let mut step = |movement| {
            cursor.step(movement, 95);
            (cursor.at(), cursor.top())
        };

        assert_eq!(step(Movement::Down), (Some(0), 0));
        assert_eq!(step(Movement::PageDown), (Some(10), 1));
        assert_eq!(step(Movement::Last), (Some(94), 85));
        assert_eq!(step(Movement::Down), (Some(94), 85));
        assert_eq!(step(Movement::PageUp), (Some(84), 84));
        assert_eq!(step(Movement::First), (Some(0), 0));
        assert_eq!(step(Movement::Up), (Some(0), 0));
    }

    #[test]
    fn it_fits_any_screen_and_list() {
        for (room, length) in [(0, 0), (0, 9), (1, 1), (5, 3), (3, 5)] {
            for movement in [Movement::Last, Movement::PageUp, Movement::Down] {
                let mut cursor = Cursor::default();
                cursor.step(movement, length);
                cursor.fit(room, length);
                assert!(cursor.at().is_none_or(|at| at < length && cursor.top() <= at), "{room} {length}");
            }
        }
    }
}
