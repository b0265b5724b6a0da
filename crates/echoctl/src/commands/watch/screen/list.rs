//! The rows of the table: which ones there are, in which order, and which one is selected.
//!
//! ```text
//! entries ── only one group? ── group ── filter ── sort ──► order ── cursor ──► what is on the screen
//! ```

use super::columns::{Column, Contents};
use super::cursor::{Cursor, Movement};
use super::filter::Filter;
use super::groups;
use super::reading::Entry;
use super::sort::Sort;

/// The rows of the table.
pub(super) struct List {
    /// All connections of the last reading.
    entries: Vec<Entry>,
    grouping: Grouping,
    /// The groups, while connections are grouped.
    groups: Vec<Entry>,
    filter: Filter,
    sort: Sort,
    /// What is shown: indexes of the entries or the groups.
    order: Vec<u32>,
    contents: Contents,
    total: Entry,
    cursor: Cursor,
    /// The row at the cursor, which is found again when the rows have changed.
    selected: Option<Entry>,
}

/// What a row is.
#[derive(Debug, Clone)]
pub(super) enum Grouping {
    /// A connection.
    None,
    /// All connections of a remote address.
    ByAddress,
    /// A connection of this group.
    Inside(Box<Entry>),
}

impl List {
    pub(super) fn new() -> List {
        List {
            entries: Vec::new(),
            grouping: Grouping::None,
            groups: Vec::new(),
            filter: Filter::default(),
            sort: Sort::by(Column::Cause),
            order: Vec::new(),
            contents: Contents::default(),
            total: groups::total([].iter()),
            cursor: Cursor::default(),
            selected: None,
        }
    }

    /// Replaces the connections. The selected one stays selected; if it has closed, the one in its place is.
    pub(super) fn update(&mut self, entries: Vec<Entry>) {
        self.entries = entries;
        self.arrange();
    }

    /// Replaces the connections, and keeps a selected one that has closed. Returns whether it is open.
    pub(super) fn update_around(&mut self, entries: Vec<Entry>) -> bool {
        let selected = self.selected.take();
        self.entries = entries;
        self.arrange();
        // It may be one that the filter hides.
        let open =
            self.entries.iter().find(|entry| selected.as_ref().is_some_and(|selected| entry.is(selected)));
        let is_open = open.is_some();
        self.selected = open.cloned().or(selected);
        self.find_selected();
        is_open
    }

    pub(super) fn step(&mut self, movement: Movement) {
        self.cursor.step(movement, self.order.len());
        self.select();
    }

    /// The selected row; without one, the first becomes it.
    pub(super) fn select_any(&mut self) -> Option<&Entry> {
        if self.selected.is_none() {
            self.step(Movement::First);
        }
        self.selected()
    }

    pub(super) fn sort_by(&mut self, digit: char) {
        if let Some(column) = Column::of_digit(digit, self.is_grouped()) {
            self.sort = Sort::by(column);
            self.arrange();
        }
    }

    pub(super) fn reverse(&mut self) {
        self.sort = self.sort.reversed();
        self.arrange();
    }

    /// Changes the filter.
    pub(super) fn filter_by(&mut self, change: impl FnOnce(&mut Filter)) {
        change(&mut self.filter);
        self.arrange();
    }

    /// Groups, or no longer; from the connections of one group back to the groups.
    pub(super) fn group(&mut self) {
        self.regroup(match self.grouping {
            Grouping::None | Grouping::Inside(_) => Grouping::ByAddress,
            Grouping::ByAddress => Grouping::None,
        });
    }

    /// Shows the connections of the selected group.
    pub(super) fn enter_group(&mut self) {
        if let Some(group) = self.selected.take() {
            self.regroup(Grouping::Inside(Box::new(group)));
        }
    }

    /// Leaves a filter, a group, all groups, or a selection.
    pub(super) fn leave(&mut self) {
        if !self.filter.is_empty() {
            self.filter_by(|filter| *filter = Filter::default());
        } else if matches!(self.grouping, Grouping::None) {
            self.unselect();
        } else {
            self.group();
        }
    }

    /// Makes room for this many rows on the screen.
    pub(super) fn fit(&mut self, room: usize) {
        self.cursor.fit(room, self.order.len());
    }

    /// The connections or groups.
    pub(super) fn shown(&self) -> &[Entry] {
        if self.is_grouped() { &self.groups } else { &self.entries }
    }

    /// Indexes of what is [`shown`](List::shown), in the order of the table.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    /// The connections on the screen; none while they are grouped.
    pub(super) fn connections_on_screen(&self) -> impl Iterator<Item = &Entry> {
        let room = if self.is_grouped() { 0 } else { self.cursor.room() };
        self.order.iter().skip(self.cursor.top()).take(room).map(|&index| &self.entries[index as usize])
    }

    /// Number of connections, with those that are not shown.
    pub(super) fn connections(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn selected(&self) -> Option<&Entry> {
        self.selected.as_ref()
    }

    pub(super) fn is_grouped(&self) -> bool {
        matches!(self.grouping, Grouping::ByAddress)
    }

    pub(super) fn grouping(&self) -> &Grouping {
        &self.grouping
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) fn sort(&self) -> Sort {
        self.sort
    }

    pub(super) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The sum of what is shown.
    pub(super) fn total(&self) -> &Entry {
        &self.total
    }

    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }

    fn regroup(&mut self, grouping: Grouping) {
        self.grouping = grouping;
        if matches!(self.sort.column, Column::Process | Column::Connections) {
            self.sort = Sort::by(Column::Cause);
        }
        self.unselect();
        self.arrange();
    }

    fn unselect(&mut self) {
        self.selected = None;
        self.cursor.reset();
    }

    /// Remembers the row at the cursor.
    fn select(&mut self) {
        let index = self.cursor.at().and_then(|at| self.order.get(at));
        self.selected = index.map(|&index| self.shown()[index as usize].clone());
    }

    /// Groups, filters and sorts again, and finds the selected row.
    fn arrange(&mut self) {
        let matches = |entry: &Entry| {
            let is_inside = match &self.grouping {
                Grouping::Inside(group) => groups::contains(group, entry),
                Grouping::None | Grouping::ByAddress => true,
            };
            is_inside && self.filter.matches(entry)
        };
        let matching = self.entries.iter().zip(0..).filter(|(entry, _)| matches(entry));
        let mut order: Vec<u32>;
        (self.groups, order) = if self.is_grouped() {
            let groups = groups::by_address(matching.map(|(entry, _)| entry));
            let order = groups.iter().zip(0..).map(|(_, index)| index).collect();
            (groups, order)
        } else {
            (Vec::new(), matching.map(|(_, index)| index).collect())
        };
        let shown = self.shown();
        self.sort.apply(&mut order, shown);
        let contents = Contents::of(&order, shown, self.is_grouped());
        self.total = groups::total(order.iter().map(|&index| &shown[index as usize]));
        (self.order, self.contents) = (order, contents);
        self.find_selected();
        if self.selected.is_some() {
            self.select();
        }
    }

    /// Moves the cursor to the selected row; if there is no such row any more, it stays in its place.
    fn find_selected(&mut self) {
        let (Some(selected), Some(at)) = (&self.selected, self.cursor.at()) else { return };
        // Several connections over a Unix-domain socket have the same names: the nearest one.
        let shown = self.shown();
        let same = self.order.iter().enumerate().filter(|(_, index)| shown[**index as usize].is(selected));
        let found = same.map(|(place, _)| place).min_by_key(|place| place.abs_diff(at));
        self.cursor.select(found.unwrap_or(at), self.order.len());
    }
}
