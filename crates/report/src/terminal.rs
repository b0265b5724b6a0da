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

use crate::Chart;
use crate::grid::{Glyphs, compose};
pub use crate::style::Colour;

/// The chart in at most `width` columns and exactly `height` rows, each ended by a line feed. Without colour it holds no
/// escape code, and each of several lines has a mark of its own, which stands before its label too. Where there is no room for
/// a plot, only the title is shown.
pub fn draw(chart: &Chart, width: usize, height: usize, colour: Colour) -> String {
    let glyphs = if colour == Colour::None { Glyphs::UNCOLOURED } else { Glyphs::UNICODE };
    compose(chart, width, height, &glyphs).print(colour)
}
