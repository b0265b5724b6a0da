//! The last line: the keys, what was just done, or the filter while it is typed.

use ratatui_core::text::{Line, Span};

use super::fit::{begin_of, end_of, joined};
use super::theme::{STRONG, Theme, USUAL, WEAK};

/// Keys with what they do, as far as they fit.
pub(super) fn keys(keys: &[(&'static str, &'static str)], columns: usize) -> Line<'static> {
    // Joined as text, so that each fits whole, and then split again for the looks.
    let parts = keys.iter().map(|(key, does)| Span::raw(format!("{key} {does}"))).collect();
    let fitting = joined(parts, "  ", columns, WEAK);
    let styled = fitting.spans.into_iter().flat_map(|span| match span.content.split_once(' ') {
        Some((key, does)) if !key.is_empty() => {
            vec![Span::styled(key.to_owned(), STRONG), Span::styled(format!(" {does}"), WEAK)]
        }
        _ => vec![span],
    });
    Line::from_iter(styled)
}

/// What was just done.
pub(super) fn message(text: &str, columns: usize) -> Line<'static> {
    Line::styled(begin_of(text, columns), USUAL)
}

/// The filter while it is typed.
pub(super) fn prompt(text: &str, columns: usize, theme: Theme) -> Line<'static> {
    let (label, hint) = ("filter: ", "  Enter keeps, Esc clears");
    let text = end_of(text, columns.saturating_sub(label.len() + 1));
    let mut line = Line::from(vec![
        Span::styled(label, STRONG),
        Span::styled(text, theme.accent()),
        Span::styled("▏", theme.accent()),
    ]);
    if line.width() + hint.len() <= columns {
        line.push_span(Span::styled(hint, WEAK));
    }
    line
}

/// The keys of the table.
pub(super) const TABLE: &[(&str, &str)] = &[
    ("q", "quit"),
    ("?", "help"),
    ("↑↓", "select"),
    ("Enter", "queues"),
    ("1-9", "sort"),
    ("/", "filter"),
    ("space", "freeze"),
    ("e", "explain"),
    ("g", "group"),
    ("r", "reverse"),
    ("s", "save"),
];

/// The keys of the table while connections are grouped.
pub(super) const GROUPS: &[(&str, &str)] = &[
    ("q", "quit"),
    ("?", "help"),
    ("↑↓", "select"),
    ("Enter", "connections"),
    ("1-9", "sort"),
    ("/", "filter"),
    ("space", "freeze"),
    ("g", "ungroup"),
    ("r", "reverse"),
    ("s", "save"),
];

/// The keys of one connection.
pub(super) const DETAIL: &[(&str, &str)] =
    &[("Esc", "back"), ("q", "quit"), ("e", "explain"), ("↑↓", "next"), ("space", "freeze"), ("s", "save")];

/// The keys of a page.
pub(super) const PAGE: &[(&str, &str)] = &[("Esc", "back"), ("q", "quit")];
pub(super) const LONG_PAGE: &[(&str, &str)] = &[("Esc", "back"), ("q", "quit"), ("↑↓", "scroll")];
