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

use crate::draw::grid::{Glyphs, compose};
pub use crate::draw::style::Colour;
use crate::{Chart, Ink};

/// The chart in at most `width` columns and exactly `height` rows, each ended by a line feed, in pieces of one colour: the caller
/// writes the escape codes. Without colour each of several lines has its own marker, which also precedes its label. Without room
/// for a plot it is only the title.
pub fn runs(chart: &Chart, width: usize, height: usize, colour: Colour) -> Vec<(Option<Ink>, String)> {
    let glyphs = if colour == Colour::None { Glyphs::UNCOLOURED } else { Glyphs::UNICODE };
    compose(chart, width, height, &glyphs).runs()
}
