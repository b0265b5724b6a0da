//! How it is drawn: in the cells of a terminal, as SVG, in a page, as CSV.

pub mod csv;
pub mod digits;
mod downsample;
mod escape;
mod grid;
mod page;
pub mod path;
mod placer;
pub mod plain;
mod style;
pub mod svg;
pub mod terminal;

pub use escape::Escaped;
pub(crate) use page::Drawing;
pub use page::{Block, Page, Section};
