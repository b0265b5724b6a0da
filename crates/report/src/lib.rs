//! Drawings of a record: terminal chart, SVG, one-file HTML, CSV.
