//! Draws the table: the titles of its columns, and those rows that are on the screen.

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Modifier, Style};
use ratatui_core::text::{Line, Span};

use super::columns::{Column, GAP, Layout, Peers};
use super::fit::{draw_line, padded};
use super::list::List;
use super::reading::Entry;
use super::theme::{Theme, WEAK};

/// What is drawn.
pub(super) struct Table<'a> {
    pub(super) list: &'a List,
    pub(super) theme: Theme,
}

impl Table<'_> {
    /// Lines over the rows, with this many lines for the table: titles of two lines, and the sum.
    pub(super) fn titles(height: usize) -> usize {
        match height {
            0..4 => 0,
            4..8 => 1,
            8..10 => 2,
            _ => 3,
        }
    }

    /// Draws it. The rows are those that the cursor has on the screen.
    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer) {
        let layout = Layout::new(usize::from(area.width), self.list.contents(), self.list.sort().column);
        let height = usize::from(area.height);
        let titles = Table::titles(height);
        for line in 0..titles {
            let text = if line < 2 { self.title(&layout, line) } else { self.sum(&layout) };
            draw_line(buffer, area, line, &text);
        }
        let rows = self.list.order().iter().enumerate().skip(self.list.cursor().top()).take(height - titles);
        for (index, &entry) in rows {
            let line = titles + index - self.list.cursor().top();
            let is_selected = self.list.cursor().at() == Some(index);
            draw_line(
                buffer,
                area,
                line,
                &self.row(&layout, &self.list.shown()[entry as usize], is_selected),
            );
            if is_selected {
                let y = area.y + u16::try_from(line).unwrap_or(0);
                buffer.set_style(
                    Rect { y, height: 1, ..area },
                    Style::new().add_modifier(Modifier::REVERSED).remove_modifier(Modifier::DIM),
                );
            }
        }
    }

    fn title(&self, layout: &Layout, line: usize) -> Line<'static> {
        cells(layout.columns().map(|(column, width)| {
            let text = padded(&column.title(self.list.contents())[line], width, column.align());
            let style = if column == self.list.sort().column { self.theme.accent() } else { WEAK };
            Span::styled(text, style)
        }))
    }

    /// The sum of the rows.
    fn sum(&self, layout: &Layout) -> Line<'static> {
        cells(layout.columns().map(|(column, width)| match column {
            Column::Process | Column::Cause => Span::raw(" ".repeat(width)),
            _ => Span::styled(column.cell(self.list.total(), width, Peers::Addresses, self.theme).0, WEAK),
        }))
    }

    fn row(&self, layout: &Layout, entry: &Entry, is_selected: bool) -> Line<'static> {
        cells(layout.columns().map(|(column, width)| {
            let (text, style) = column.cell(entry, width, layout.peers, self.theme);
            // Dim text would hardly be legible in reverse.
            Span::styled(text, if is_selected { style.remove_modifier(Modifier::DIM) } else { style })
        }))
    }
}

fn cells(cells: impl Iterator<Item = Span<'static>>) -> Line<'static> {
    let mut line = Line::default();
    for cell in cells {
        if !line.spans.is_empty() {
            line.push_span(" ".repeat(GAP));
        }
        line.push_span(cell);
    }
    line
}
