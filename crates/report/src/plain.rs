//! The plain writer: ASCII alone, without escape codes, for logs, mails and the oldest of terminals.

use crate::Chart;
use crate::grid::{Glyphs, compose};
use crate::style::Colour;

/// The chart in at most `width` columns and exactly `height` rows, each ended by a line feed. Where there is no room for
/// a plot, only the title is shown.
pub fn draw(chart: &Chart, width: usize, height: usize) -> String {
    compose(chart, width, height, &Glyphs::ASCII).print(Colour::None)
}
