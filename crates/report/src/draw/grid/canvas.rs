//! A grid of characters, each with its colour.

use crate::Ink;

/// Characters in rows and columns. What is written outside it is dropped.
pub(crate) struct Canvas {
    width: usize,
    cells: Vec<(char, Option<Ink>)>,
}

impl Canvas {
    /// A blank canvas.
    pub(crate) fn new(width: usize, height: usize) -> Canvas {
        Canvas { width, cells: vec![(' ', None); width * height] }
    }

    /// Writes a character, replacing the previous one.
    pub(super) fn put(&mut self, column: usize, row: usize, glyph: char, ink: Option<Ink>) {
        if column < self.width
            && let Some(cell) = self.cells.get_mut(row * self.width + column)
        {
            *cell = (glyph, ink);
        }
    }

    /// Writes a character if the cell is empty.
    pub(super) fn put_behind(&mut self, column: usize, row: usize, glyph: char) {
        if column < self.width
            && let Some(cell) = self.cells.get_mut(row * self.width + column)
            && cell.0 == ' '
        {
            *cell = (glyph, None);
        }
    }

    /// Writes a text, starting at a column.
    pub(super) fn write(&mut self, column: usize, row: usize, text: &str, ink: Option<Ink>) {
        for (offset, glyph) in text.chars().enumerate() {
            self.put(column + offset, row, glyph, ink);
        }
    }

    /// All rows without trailing spaces, each ended by a line feed, in pieces of one colour.
    pub(crate) fn runs(&self) -> Vec<(Option<Ink>, String)> {
        let mut runs = Vec::new();
        for row in self.cells.chunks(self.width.max(1)) {
            let used = row.iter().rposition(|(glyph, _)| *glyph != ' ').map_or(0, |last| last + 1);
            for run in row[..used].chunk_by(|a, b| a.1 == b.1) {
                let ink = run.first().and_then(|(_, ink)| *ink);
                runs.push((ink, run.iter().map(|(glyph, _)| glyph).collect()));
            }
            runs.push((None, "\n".to_owned()));
        }
        runs
    }

    /// The same as one text.
    pub(crate) fn text(&self) -> String {
        self.runs().into_iter().map(|(_, text)| text).collect()
    }
}
