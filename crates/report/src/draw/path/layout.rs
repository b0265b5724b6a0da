//! Column widths of the path: a wide layout from 80 columns on, a narrow one down to 60.

use echoctl_record::{Bytes, Seconds};

use crate::model::labelled;

/// Widths of the columns, for a terminal of a given width.
pub(super) struct Layout {
    /// Columns of a line.
    pub(super) columns: usize,
    indent: usize,
    name: usize,
    bytes: usize,
    gap: usize,
    /// Columns of a bar.
    pub(super) bar: usize,
    occupancy: usize,
}

impl Layout {
    /// The layout for a terminal of this width. The narrow one takes from the gaps first and then from the bars.
    pub(super) fn of(terminal: usize) -> Layout {
        // Some terminals wrap in their last column.
        let columns = terminal.saturating_sub(1).clamp(MIN_COLUMNS, MAX_COLUMNS);
        if columns >= MAX_COLUMNS {
            return Layout {
                columns,
                indent: 2,
                name: 22,
                bytes: 9,
                gap: 2,
                bar: BAR,
                occupancy: MAX_OCCUPANCY,
            };
        }
        let bar = (columns - MIN_COLUMNS + MIN_BAR).min(BAR);
        Layout { columns, indent: 1, name: 20, bytes: 9, gap: 1, bar, occupancy: 6 }
    }

    /// One end of the path: a cumulative counter, a remark, and its rate.
    pub(super) fn counter(&self, name: &str, bytes: u64, remark: &str, flow: &str) -> String {
        let Layout { indent, name: width, bytes: size, gap, bar, occupancy, .. } = *self;
        let (width, remarks) = (width + indent, bar + occupancy + gap - indent.min(gap));
        let bytes = Bytes(bytes).to_string();
        format!("{:indent$}{name:<width$}{bytes:>size$}{:gap$}{remark:<remarks$}{:indent$}{flow}", "", "", "")
    }

    /// One queue: its bytes, its part of all bytes in flight as a bar, how full it is, and its trend.
    pub(super) fn queue(
        &self,
        name: &str,
        bytes: Option<u64>,
        bar: &str,
        occupancy: &str,
        trend: &str,
    ) -> String {
        let Layout { indent, name: width, bytes: size, gap, bar: bars, occupancy: full, .. } = *self;
        let indent = 2 * indent;
        // The narrow column has room for the number only.
        let occupancy = if full < MAX_OCCUPANCY { occupancy.trim_end_matches(" used") } else { occupancy };
        let bytes = bytes.map_or("not visible here".to_owned(), |bytes| Bytes(bytes).to_string());
        format!(
            "{:indent$}{name:<width$}{bytes:>size$}{:gap$}{bar:<bars$}{:gap$}{occupancy:<full$}{trend}",
            "", "", ""
        )
    }

    pub(super) fn held_back(&self, seconds: f64) -> String {
        let for_ = if self.bar < BAR { "" } else { "for " };
        format!("HELD BACK {for_}{}", Seconds(seconds))
    }

    /// A label and its text, wrapped beside the label. An empty line where there is no text, so that lines stay in place.
    pub(super) fn field(&self, label: &str, text: &str) -> Vec<String> {
        labelled(label, LABEL, text, self.columns)
    }
}

/// A bar for `part` of `total`, in eighths of a column; a part that is not 0 is always visible.
pub(crate) fn bar(part: u64, total: u64, columns: usize) -> String {
    if part == 0 || total == 0 {
        return String::new();
    }
    let most = columns as u128 * 8;
    let eighths = (u128::from(part) * most / u128::from(total)).clamp(1, most) as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]);
    bar
}

/// Columns of a bar in the wide layout, and at least.
const BAR: usize = 18;
const MIN_BAR: usize = 8;

/// Columns of how full a queue is, in the wide layout: `99 % used`.
const MAX_OCCUPANCY: usize = 10;

/// Columns of the wide layout.
const MAX_COLUMNS: usize = 79;

/// Columns of the narrow layout with the shortest bars.
const MIN_COLUMNS: usize = 58;

/// Columns of the labels of details.
const LABEL: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_show_parts_of_the_bytes_in_flight() {
        assert_eq!(bar(0, 100, BAR), "");
        assert_eq!(bar(1, 1_000_000, BAR), "▏");
        assert_eq!(bar(50, 100, BAR).chars().count(), BAR / 2);
        assert_eq!(bar(100, 100, BAR).chars().count(), BAR);
    }
}
