//! The terminal writer: box drawing, braille lines and block bands, with colour or without.
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
//! Every row fits the width it was given, so that a redraw in place never wraps.

use crate::grid::{Canvas, Glyphs, compose};
pub use crate::style::Colour;
use crate::{Chart, Ink};

/// The chart in at most `width` columns and exactly `height` rows, each ended by a line feed. Without colour it holds no
/// escape code, and each of several lines has a mark of its own, which stands before its label too. Where there is no room for
/// a plot, only the title is shown.
pub fn draw(chart: &Chart, width: usize, height: usize, colour: Colour) -> String {
    canvas(chart, width, height, colour).print(colour)
}

/// The same drawing in pieces of one ink and without any escape code, for a program that writes these itself: line feeds are
/// in the pieces.
pub fn runs(chart: &Chart, width: usize, height: usize, colour: Colour) -> Vec<(Option<Ink>, String)> {
    canvas(chart, width, height, colour).runs()
}

fn canvas(chart: &Chart, width: usize, height: usize, colour: Colour) -> Canvas {
    let glyphs = if colour == Colour::None { Glyphs::UNCOLOURED } else { Glyphs::UNICODE };
    compose(chart, width, height, &glyphs)
}
