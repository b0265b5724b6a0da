//! Text of a given width in columns: wide characters count twice, and text from outside is made printable.

use echoctl_record::printable;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::Style;
use ratatui_core::text::{Line, Span};

/// Side of a column at which its text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// `text` in at most this many columns. Of a long one the end is shown, where addresses differ.
pub(super) fn end_of(text: &str, columns: usize) -> String {
    shortened(text, columns, |text| {
        let (mut rest, mut start) = (columns.saturating_sub(1), text.len());
        for (at, character) in text.char_indices().rev() {
            let width = width(character.encode_utf8(&mut [0; 4]));
            if width > rest {
                break;
            }
            (rest, start) = (rest - width, at);
        }
        format!("…{}", &text[start..])
    })
}

/// `text` in at most this many columns. Of a long one the beginning is shown.
pub(super) fn begin_of(text: &str, columns: usize) -> String {
    shortened(text, columns, |text| {
        let (mut rest, mut end) = (columns.saturating_sub(1), 0);
        for (at, character) in text.char_indices() {
            let width = width(character.encode_utf8(&mut [0; 4]));
            if width > rest {
                break;
            }
            (rest, end) = (rest - width, at + character.len_utf8());
        }
        format!("{}…", &text[..end])
    })
}

/// Processes, or a text that ends with them, in at most this many columns. Of a long one the name is shortened and not the pid, with
/// which the process can be found: `a-long-na… (pid 7)`. Of several processes the first one is shown.
pub(super) fn process(text: &str, columns: usize) -> String {
    let Some((name, pids)) = text.split_once(PIDS) else { return begin_of(text, columns) };
    if width(&printable(text)) <= columns {
        return begin_of(text, columns);
    }
    let pid: String = pids.chars().take_while(char::is_ascii_digit).collect();
    let is_only = pids.strip_prefix(&*pid) == Some(")");
    let end = format!("{PIDS}{pid}{}", if is_only { ")" } else { ", …)" });
    match columns.checked_sub(width(&end)) {
        Some(room) if room >= MIN_NAME => begin_of(name, room) + &end,
        _ => begin_of(end.trim_start(), columns),
    }
}

/// Between the name of a process and its pids.
const PIDS: &str = " (pid ";

/// Columns of the beginning of a name that is of any use.
const MIN_NAME: usize = 3;

fn shortened(text: &str, columns: usize, shorten: impl FnOnce(&str) -> String) -> String {
    let text = printable(text);
    match width(&text) {
        _ if columns == 0 => String::new(),
        long if long > columns => shorten(&text),
        _ => text.into_owned(),
    }
}

/// Columns that `text` takes.
pub(super) fn width(text: &str) -> usize {
    // As addresses are, of which there may be thousands.
    if text.is_ascii() { text.len() } else { Span::raw(text).width() }
}

/// `text` padded with blanks to this many columns.
pub(super) fn padded(text: &str, columns: usize, align: Align) -> String {
    let blanks = " ".repeat(columns.saturating_sub(width(text)));
    match align {
        Align::Left => format!("{text}{blanks}"),
        Align::Right => format!("{blanks}{text}"),
    }
}

/// Draws `line` in the row `y` of `area`, counted from its top, if there is such a row.
pub(super) fn draw_line(buffer: &mut Buffer, area: Rect, y: usize, line: &Line) {
    if let Ok(y) = u16::try_from(y)
        && y < area.height
        && area.width > 0
    {
        buffer.set_line(area.x, area.y + y, line, area.width);
    }
}

/// Parts after one another, with `between` them, as far as they fit: a part is shown whole or not at all, and `…` stands for those
/// that are not.
pub(super) fn joined(
    parts: Vec<Span<'static>>,
    between: &'static str,
    columns: usize,
    weak: Style,
) -> Line<'static> {
    let mut line = Line::default();
    let (mut used, count) = (0, parts.len());
    for (index, part) in parts.into_iter().enumerate() {
        let joint = if index == 0 { "" } else { between };
        let room_for_more = if index + 1 < count { width(between).min(1) + 1 } else { 0 };
        let needed = width(joint) + part.width();
        if used + needed + room_for_more > columns {
            // The first one is cut instead of nothing being shown.
            line.push_span(if index == 0 {
                Span::styled(begin_of(&part.content, columns), part.style)
            } else {
                Span::styled(" …", weak)
            });
            break;
        }
        line.push_span(Span::styled(joint, weak));
        line.push_span(part);
        used += needed;
    }
    line
}

/// The same in up to `lines` lines, of which only the last one may end with `…`.
pub(super) fn wrapped(
    parts: &[Span<'static>],
    between: &'static str,
    columns: usize,
    lines: usize,
    weak: Style,
) -> Vec<Line<'static>> {
    let (mut rest, mut wrapped) = (parts, Vec::new());
    while wrapped.len() + 1 < lines && !rest.is_empty() {
        let fitting = (1..=rest.len()).rev().find(|&count| {
            let text: usize = rest[..count].iter().map(Span::width).sum();
            text + (count - 1) * width(between) <= columns
        });
        let (line, more) = rest.split_at(fitting.unwrap_or(1));
        wrapped.push(joined(line.to_vec(), between, columns, weak));
        rest = more;
    }
    if !rest.is_empty() {
        wrapped.push(joined(rest.to_vec(), between, columns, weak));
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_shortened_by_columns() {
        assert_eq!(end_of("10.11.12.13:40000", 8), "…3:40000");
        assert_eq!(begin_of("a long name", 8), "a long …");
        assert_eq!((end_of("日本語", 4).as_str(), begin_of("日本語", 4).as_str()), ("…語", "日…"));
        assert_eq!(
            (end_of("日本語", 6).as_str(), end_of("日本", 0).as_str(), begin_of("ab", 1).as_str()),
            ("日本語", "", "…")
        );
    }

    #[test]
    fn of_a_process_the_name_is_shortened_and_not_the_pid() {
        assert_eq!(process("curl (pid 4711)", 15), "curl (pid 4711)");
        assert_eq!(process("python3 (pid 4711)", 17), "pytho… (pid 4711)");
        assert_eq!(process("python3 (pid 4711)", 14), "py… (pid 4711)");
        assert_eq!(process("python3 (pid 4711)", 13), "(pid 4711)");
        assert_eq!(process("nginx (pid 12, 13, 14 and 5 more), sh (pid 7)", 18), "nginx (pid 12, …)");
        assert_eq!(process("日本語 (pid 4711)", 16), "日本… (pid 4711)");
        assert_eq!((process("unnamed", 4).as_str(), process("python3 (pid 4711)", 0).as_str()), ("unn…", ""));
    }

    #[test]
    fn escape_sequences_are_replaced() {
        assert_eq!(begin_of("\u{1b}[2Jx", 20), "␛[2Jx");
        assert_eq!(end_of("\u{202e}a\nb", 20), "\u{fffd}a␊b");
    }

    #[test]
    fn a_part_is_shown_whole_or_not_at_all() {
        let parts = || ["first", "second", "third"].map(Span::raw).to_vec();
        let text = |columns| joined(parts(), ", ", columns, Style::new()).to_string();

        assert_eq!(text(40), "first, second, third");
        assert_eq!(text(20), "first, second, third");
        assert_eq!(text(19), "first, second …");
        assert_eq!(text(14), "first …");
        assert_eq!(text(3), "fi…");
    }

    #[test]
    fn parts_are_wrapped_into_lines() {
        let parts = ["first", "second", "third", "fourth"].map(Span::raw);
        let text = |columns, lines| {
            let lines = wrapped(&parts, ", ", columns, lines, Style::new());
            lines.iter().map(ToString::to_string).collect::<Vec<_>>()
        };

        assert_eq!(text(40, 2), ["first, second, third, fourth"]);
        assert_eq!(text(13, 2), ["first, second", "third, fourth"]);
        assert_eq!(text(9, 2), ["first", "second …"]);
        assert_eq!(text(2, 3), ["f…", "s…", "t…"]);
        assert!(wrapped(&[], ", ", 9, 2, Style::new()).is_empty());
    }
}
