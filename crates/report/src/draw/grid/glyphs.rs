//! The characters that axes, lines and bands are drawn with.

use echoctl_record::printable;

use crate::{Ink, Series, Stroke};

/// A set of characters to draw with.
pub(crate) struct Glyphs {
    /// Dots per cell, across and down.
    pub(super) across: usize,
    pub(super) down: usize,
    pub(super) vertical: char,
    pub(super) horizontal: char,
    pub(super) corner: char,
    pub(super) value_tick: char,
    pub(super) time_tick: char,
    /// Between two phases.
    pub(super) border: char,
    /// Of a limit's line.
    pub(super) limit: char,
    /// Fills of bands: the server's own memory, then the others from heavy to light.
    bands: [char; 5],
    /// Markers on lines, one per series, where colours do not distinguish them.
    marks: Option<[char; 5]>,
    is_ascii: bool,
}

impl Glyphs {
    /// Unicode: box drawing, blocks and braille.
    pub(crate) const UNICODE: Glyphs = Glyphs {
        across: 2,
        down: 4,
        vertical: '│',
        horizontal: '─',
        corner: '└',
        value_tick: '┤',
        time_tick: '┴',
        border: '┊',
        limit: '╌',
        bands: ['█', '▓', '▒', '░', '╳'],
        marks: None,
        is_ascii: false,
    };

    /// The same where there is no colour.
    pub(crate) const UNCOLOURED: Glyphs =
        Glyphs { marks: Some(['■', '○', '▲', '◇', '▽']), ..Glyphs::UNICODE };

    /// Only ASCII.
    pub(crate) const ASCII: Glyphs = Glyphs {
        across: 1,
        down: 1,
        vertical: '|',
        horizontal: '-',
        corner: '+',
        value_tick: '+',
        time_tick: '+',
        border: ':',
        limit: '-',
        bands: ['#', '=', '/', '.', 'x'],
        marks: None,
        is_ascii: true,
    };

    /// The fill of a band.
    pub(super) fn band(&self, series: &Series) -> char {
        self.bands[match (series.ink, series.stroke) {
            (Ink::Orange, Stroke::Solid) => 0,
            (_, Stroke::Solid) => 1,
            (_, Stroke::Dashed) => 2,
            (_, Stroke::Dotted) => 3,
            (_, Stroke::DashDot) => 4,
        }]
    }

    /// The character that shows `dots` (bit `column + across * row`) of the series of index `series`.
    pub(super) fn dots(&self, dots: u8, series: usize) -> char {
        if self.is_ascii {
            return ASCII_LINES[series % ASCII_LINES.len()];
        }
        // Braille counts its dots down the left column, then the right, and the two at the bottom last.
        let order = [0, 3, 1, 4, 2, 5, 6, 7];
        let pattern = (0..8).filter(|bit| dots & (1 << bit) != 0).map(|bit| 1 << order[bit]).sum::<u32>();
        char::from_u32(0x2800 + pattern).unwrap_or(' ')
    }

    /// The marker on the line of the series of index `series`, if there is one.
    pub(super) fn mark(&self, series: usize) -> Option<char> {
        self.marks.map(|marks| marks[series % marks.len()])
    }

    /// The character before a label that identifies its line without colour.
    pub(super) fn sign(&self, series: usize) -> Option<char> {
        let line = self.is_ascii.then(|| ASCII_LINES[series % ASCII_LINES.len()]);
        line.or_else(|| self.mark(series))
    }

    /// A text in the characters that this set allows.
    pub(crate) fn text(&self, text: &str) -> String {
        let text = printable(text);
        if !self.is_ascii {
            return text.into_owned();
        }
        let replace = |character: char| match character {
            '\u{20}'..='\u{7e}' => character,
            'µ' => 'u',
            '–' | '—' | '−' => '-',
            '‘' | '’' => '\'',
            '“' | '”' => '"',
            '×' => 'x',
            _ => '?',
        };
        text.replace('…', "...").chars().map(replace).collect()
    }
}

/// One character per series: a dashed line of characters would not be readable.
const ASCII_LINES: [char; 5] = ['#', 'o', '+', 'x', '*'];
