//! Draws a chart for a terminal, with box drawing, braille lines and block bands, with or without colour.
//!
//! ```text
//! Memory of the server
//!              reads       ┊   stops reading    ┊   reads again
//!    256 MiB ┤             ┊            ⢀⣀⠔⠉ OFF┊⢣
//!    128 MiB ┤             ┊     ⢀⡠⠔⠊⠁          ┊ ⢣
//!          0 └──────┴──────┴──────┴──────┴──────┴──────
//!           0 s    2 s    4 s    6 s    8 s    10 s
//! ```
//!
//! No row exceeds the given width, so that a redraw in place never wraps.

use crate::draw::grid::{Canvas, Glyphs, compose};
pub use crate::draw::style::Colour;
use crate::{Chart, Ink};

/// The chart in at most `width` columns and exactly `height` rows, each ended by a line feed. Without colour it contains no escape
/// codes, and each of several lines has its own marker, which also precedes its label. Without room for a plot it is only the
/// title.
pub fn draw(chart: &Chart, width: usize, height: usize, colour: Colour) -> String {
    canvas(chart, width, height, colour).print(colour)
}

/// The same drawing in pieces of one colour and without escape codes, for a program that writes these itself. The pieces contain
/// the line feeds.
pub fn runs(chart: &Chart, width: usize, height: usize, colour: Colour) -> Vec<(Option<Ink>, String)> {
    canvas(chart, width, height, colour).runs()
}

fn canvas(chart: &Chart, width: usize, height: usize, colour: Colour) -> Canvas {
    let glyphs = if colour == Colour::None { Glyphs::UNCOLOURED } else { Glyphs::UNICODE };
    compose(chart, width, height, &glyphs)
}
