//! Draws the processes of a host and their connections: as sentences, as text for a terminal, and as a page.
//!
//! The sentences come first: where backpressure begins, which processes pass it on, and which one absorbs it. Chains are drawn from
//! the reader that holds back to the processes that are held back, against the flow of bytes.

mod chain;
mod folded;
mod page;
mod picture;
mod sentence;
mod terminal;

pub use page::map_page;
pub use sentence::{NO_PRESSURE, pressure_sentence};
pub use terminal::{MapMarks, map_text};
