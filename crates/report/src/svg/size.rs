//! The size of a drawing, and what fits into it.

/// The drawing's own coordinates, in which a unit is a pixel when it is shown at its natural size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Height of the letters.
    pub font: f64,
}

impl Size {
    /// For a page on a screen, a projector or paper.
    pub const WIDE: Size = Size { width: 960.0, height: 460.0, font: 18.0 };
    /// For a telephone.
    pub const NARROW: Size = Size { width: 400.0, height: 440.0, font: 15.0 };

    /// The width of `text` in letters of this size: an upper estimate, since the font is the reader's.
    pub(crate) fn text(&self, text: &str) -> f64 {
        0.57 * self.font * text.chars().count() as f64
    }

    /// From one line of text to the next.
    pub(crate) fn line(&self) -> f64 {
        1.3 * self.font
    }

    /// `text` broken between words into lines of at most `width`.
    pub(crate) fn wrap(&self, text: &str, width: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match lines.last_mut() {
                Some(line) if self.text(line) + self.text(word) + self.text(" ") <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        lines
    }
}
