//! A page of text in place of the table: the help, or an explanation.

use echoctl_report::wrap;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::text::Line;

use super::cursor::Movement;
use super::fit::{draw_line, width};
use super::theme::{STRONG, USUAL};

/// A text that is wrapped and scrolled.
#[derive(Debug)]
pub(super) struct Page {
    title: String,
    text: String,
    top: usize,
    /// Lines that fit on the screen, and lines of the text, in the last frame.
    room: usize,
    length: usize,
}

impl Page {
    /// A page with a title. Lines of `text` that begin with blanks keep them when they are wrapped.
    pub(super) fn new(title: impl Into<String>, text: impl Into<String>) -> Page {
        Page { title: title.into(), text: text.into(), top: 0, room: 0, length: 0 }
    }

    pub(super) fn step(&mut self, movement: Movement) {
        let page = self.room.max(1);
        self.top = match movement {
            Movement::Up => self.top.saturating_sub(1),
            Movement::Down => self.top + 1,
            Movement::PageUp => self.top.saturating_sub(page),
            Movement::PageDown => self.top + page,
            Movement::First => 0,
            Movement::Last => usize::MAX,
        }
        .min(self.length.saturating_sub(self.room));
    }

    /// Draws the lines that fit.
    pub(super) fn draw(&mut self, area: Rect, buffer: &mut Buffer) {
        let columns = usize::from(area.width).min(MAX_COLUMNS);
        let lines: Vec<String> = self.text.lines().flat_map(|line| wrapped(line, columns)).collect();
        (self.room, self.length) = (usize::from(area.height).saturating_sub(2), lines.len());
        self.top = self.top.min(self.length.saturating_sub(self.room));
        draw_line(buffer, area, 0, &Line::styled(self.title.clone(), STRONG));
        for (index, line) in lines.into_iter().skip(self.top).take(self.room).enumerate() {
            // Titles of sections are not indented.
            let style = if line.starts_with(' ') { USUAL } else { STRONG };
            draw_line(buffer, area, index + 2, &Line::styled(line, style));
        }
    }

    /// Whether there are lines above or below those on the screen.
    pub(super) fn scrolls(&self) -> bool {
        self.length > self.room
    }
}

/// One line in as many as it needs; the others begin where its last column of text begins.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    let text = line.trim_start();
    let mut indent = line.len() - text.len();
    // A list of words and their meanings: the meaning begins after the last run of blanks.
    let meaning = text.rfind("  ").map_or(0, |at| at + 2);
    let (word, meaning) = text.split_at(meaning);
    let head = format!("{}{word}", " ".repeat(indent));
    indent = width(&head);
    if indent + MIN_COLUMNS > columns {
        return vec![line.to_owned()];
    }
    let lines = wrap(meaning, columns - indent);
    let mut head = Some(head);
    let lines: Vec<String> = lines
        .into_iter()
        .map(|line| format!("{}{line}", head.take().unwrap_or_else(|| " ".repeat(indent))))
        .collect();
    if lines.is_empty() { vec![line.to_owned()] } else { lines }
}

/// Columns of a line at most: wider ones are hard to read.
const MAX_COLUMNS: usize = 100;

/// Columns in which text is still wrapped; narrower text is cut.
const MIN_COLUMNS: usize = 16;
