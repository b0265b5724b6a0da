//! The fill patterns of bands: stripes, dots and crosses on a lighter background, so that bands differ even without colour.

use std::fmt::{self, Formatter};

use crate::{Series, Stroke};

/// The value of a `fill` attribute for the band of `series` in the drawing `id`.
pub(super) fn fill(id: &str, series: &Series) -> String {
    format!("url(#{id}-{}-{})", series.ink.name(), series.stroke.name())
}

/// The patterns that `series` need.
pub(super) fn write(f: &mut Formatter<'_>, id: &str, series: &[Series]) -> fmt::Result {
    let mut pens: Vec<_> = series.iter().map(|series| (series.ink, series.stroke)).collect();
    pens.sort_unstable_by_key(|(ink, stroke)| (ink.name(), stroke.name()));
    pens.dedup();
    writeln!(f, "<defs>")?;
    for (ink, stroke) in pens {
        let (background, figure, turn) = match stroke {
            Stroke::Solid => ("full", "", 0),
            Stroke::Dashed => ("half", "<path class=\"weave\" d=\"M0 5H10\"/>", -45),
            Stroke::Dotted => ("light", "<circle class=\"speck\" cx=\"5\" cy=\"5\" r=\"2\"/>", 30),
            Stroke::DashDot => ("light", "<path class=\"weave\" d=\"M0 5H10M5 0V10\"/>", 45),
        };
        let (ink, stroke) = (ink.name(), stroke.name());
        writeln!(
            f,
            "<pattern id=\"{id}-{ink}-{stroke}\" class=\"{ink}\" width=\"10\" height=\"10\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate({turn})\"><rect class=\"{background}\" width=\"10\" height=\"10\"/>{figure}</pattern>"
        )?;
    }
    writeln!(f, "</defs>")
}
