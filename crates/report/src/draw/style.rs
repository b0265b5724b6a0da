//! Colours of charts: in light and dark mode, in print, and in terminals.
//!
//! Blue and orange, because no common kind of colour blindness confuses them. In both themes, lines have a contrast of at least 3
//! to their background, and text one of 4.5.

use crate::Ink;

/// The style sheet of charts: in each SVG file, or once in a page.
pub(crate) const STYLE: &str = include_str!("chart.css");

/// Colours that a terminal supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// None: no escape codes are written.
    #[default]
    None,
    /// The 16 colours of the terminal's theme.
    Ansi16,
    /// The 256 colours, of which 16 to 255 look the same in all terminals.
    Ansi256,
}

impl Colour {
    /// The escape code that switches to `ink`; empty without colour.
    pub const fn begin(self, ink: Ink) -> &'static str {
        match (self, ink) {
            (Colour::None, _) => "",
            // Of sixteen colours, yellow is the most similar to orange, and it remains distinct from red for the colour-blind.
            (Colour::Ansi16, Ink::Orange) => "\x1b[33m",
            (Colour::Ansi16, Ink::Blue) => "\x1b[94m",
            (Colour::Ansi16, Ink::Grey) => "\x1b[90m",
            (Colour::Ansi256, Ink::Orange) => "\x1b[38;5;208m",
            (Colour::Ansi256, Ink::Blue) => "\x1b[38;5;39m",
            (Colour::Ansi256, Ink::Grey) => "\x1b[38;5;245m",
        }
    }

    /// The escape code that switches back.
    pub const fn end(self) -> &'static str {
        match self {
            Colour::None => "",
            _ => "\x1b[0m",
        }
    }
}
