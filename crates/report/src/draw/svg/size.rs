//! The size of a drawing, and how much text fits into it.

use crate::wrap;

/// Size in the drawing's own coordinates: one unit is one pixel at the natural size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// Font size.
    pub font: f64,
}

impl Size {
    /// For a page on a screen, a projector or paper.
    pub const WIDE: Size = Size { width: 960.0, height: 460.0, font: 18.0 };
    /// For a phone.
    pub const NARROW: Size = Size { width: 400.0, height: 440.0, font: 15.0 };

    /// An upper estimate of the width of `text`; the actual font is the reader's.
    pub(crate) fn text(&self, text: &str) -> f64 {
        0.57 * self.font * text.chars().count() as f64
    }

    /// Height of a line of text.
    pub(crate) fn line(&self) -> f64 {
        1.3 * self.font
    }

    /// `text`, wrapped at spaces into lines of at most `width`.
    pub(crate) fn wrap(&self, text: &str, width: f64) -> Vec<String> {
        let mut lines = wrap(text, (width / self.text("x")) as usize);
        lines.retain(|line| !line.is_empty());
        lines
    }
}
