//! The look: colours of charts in light, dark and print, and of terminals.
//!
//! Blue and orange, because no common kind of colour blindness confuses them. Lines reach a contrast of 3 to their
//! ground and text one of 4.5, in both themes.

use crate::Ink;

/// The style of a chart: in an SVG file of its own, or once in a page.
pub(crate) const STYLE: &str = include_str!("chart.css");

/// How much colour a terminal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// None: no escape code is written at all.
    #[default]
    None,
    /// The 16 colours of the terminal's theme.
    Ansi16,
    /// The 256 colours, of which 16 to 255 look the same everywhere.
    Ansi256,
}

impl Colour {
    /// The escape code that begins to write in `ink`, empty without colour.
    pub const fn begin(self, ink: Ink) -> &'static str {
        match (self, ink) {
            (Colour::None, _) => "",
            // Yellow is as near to orange as sixteen colours come, and further from red for those who cannot tell it.
            (Colour::Ansi16, Ink::Orange) => "\x1b[33m",
            (Colour::Ansi16, Ink::Blue) => "\x1b[94m",
            (Colour::Ansi16, Ink::Grey) => "\x1b[90m",
            (Colour::Ansi256, Ink::Orange) => "\x1b[38;5;208m",
            (Colour::Ansi256, Ink::Blue) => "\x1b[38;5;39m",
            (Colour::Ansi256, Ink::Grey) => "\x1b[38;5;245m",
        }
    }

    /// The escape code that ends it.
    pub const fn end(self) -> &'static str {
        match self {
            Colour::None => "",
            _ => "\x1b[0m",
        }
    }
}
