//! Draws a chart in ASCII without escape codes, for logs, mail and old terminals.

use crate::Chart;
use crate::draw::grid::{Glyphs, compose};

/// The chart in at most `width` columns and exactly `height` rows, each ended by a line feed. Without room for a plot it is only
/// the title.
pub fn draw(chart: &Chart, width: usize, height: usize) -> String {
    compose(chart, width, height, &Glyphs::ASCII).text()
}

/// A text, a table or a description, in ASCII: common symbols as similar letters (`us` for `µs`), others as `?`.
pub fn text(text: &str) -> String {
    text.split('\n').map(|line| Glyphs::ASCII.text(line)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_retain_their_lines_and_become_ascii() {
        assert_eq!(text("50 µs…\n“a” – b\t\u{1b}\n"), "50 us...\n\"a\" - b ?\n");
    }
}
