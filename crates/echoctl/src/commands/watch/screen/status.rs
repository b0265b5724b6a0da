//! The line over the table: which rows it shows, and in which order.

use echoctl_record::count;
use ratatui_core::text::{Line, Span};

use super::fit::{begin_of, joined, width};
use super::list::{Grouping, List};
use super::theme::{Theme, WEAK};

/// The line, in this many columns of the terminal.
pub(super) fn line(list: &List, theme: Theme, columns: usize) -> Line<'static> {
    let place = place(list);
    let room = columns.saturating_sub(width(&place) + 2);
    let mut line = joined(parts(list, theme), ", ", room, WEAK);
    let blanks = columns.saturating_sub(line.width() + width(&place));
    line.push_span(Span::raw(" ".repeat(blanks)));
    line.push_span(Span::styled(place, WEAK));
    line
}

/// Why the table is empty.
pub(super) fn why_empty(list: &List) -> &'static str {
    if list.connections() == 0 { "no connection yet" } else { "no row contains this text: Esc shows all" }
}

fn parts(list: &List, theme: Theme) -> Vec<Span<'static>> {
    let mut parts = Vec::new();
    if !list.filter().is_empty() {
        let text = begin_of(list.filter().text(), MAX_TEXT);
        parts.push(Span::styled(format!("only “{text}”"), theme.accent()));
    }
    let (rows, total) = (list.order().len(), list.connections());
    let connections = count(total as u64, "connection");
    if let Grouping::Inside(group) = list.grouping() {
        let address = begin_of(&group.row.client, MAX_TEXT);
        parts.push(Span::styled(format!("only {address}"), theme.accent()));
    }
    let counted = match list.grouping() {
        Grouping::ByAddress => format!("{connections} grouped by remote address"),
        // A filter needs the room.
        _ if rows < total && !list.filter().is_empty() => format!("{rows} of {total}"),
        _ if rows < total => format!("{rows} of {connections}"),
        _ => connections,
    };
    parts.push(Span::styled(counted, WEAK));
    if rows > 0 {
        let sort = list.sort();
        parts.push(Span::styled(format!("by {}", sort.column.name(list.contents())), WEAK));
        parts.push(Span::styled(sort.words(), WEAK));
    }
    parts
}

/// Which rows are on the screen, if not all are.
fn place(list: &List) -> String {
    let (rows, cursor) = (list.order().len(), list.cursor());
    let (first, last) = (cursor.top() + 1, (cursor.top() + cursor.room()).min(rows));
    if last >= first && rows > cursor.room() { format!("{first}–{last}") } else { String::new() }
}

/// Columns of a filter or an address at most.
const MAX_TEXT: usize = 40;
