//! Drawings of a record: terminal chart, plain chart, SVG, CSV and a page of one file.
//!
//! A [`Chart`] says what is to be seen: series over time, phases of the run, limits. The writers say how it looks. All
//! of them share the axes, the thinning and the placing of labels, so that the same chart tells the same story on a
//! projector, in a log, on paper and to a screen reader. Nothing is told by colour alone.
//!
//! What to draw:
//! - [`Chart`]: its [`Series`] (with their [`Ink`] and [`Stroke`]), its [`Phase`]s and [`Mark`]s.
//! - [`charts`]: the charts of a recorded run, and of two side by side.
//! - [`Unit`]: how values of an axis are rounded and printed.
//!
//! How it is written:
//! - [`terminal`]: Unicode, in colour or without.
//! - [`plain`]: ASCII alone.
//! - [`svg`]: themed for light and dark, labelled on the lines.
//! - [`csv`]: the numbers.
//! - [`tables`]: the figures of a run, as text or in a page.
//! - [`Page`]: a document with charts, tables and their data, without any reference to a network; [`run_page`] and [`compare_page`] fill it.
//!
//! This crate decides nothing about a run, and it opens no file: it turns data into text.

#![forbid(unsafe_code)]

mod axis;
mod chart;
pub mod charts;
mod columns;
pub mod csv;
mod downsample;
mod escape;
mod grid;
mod labels;
mod page;
pub mod plain;
mod run_page;
mod series;
mod style;
pub mod svg;
mod table;
pub mod tables;
pub mod terminal;

pub use axis::Unit;
pub use chart::{Chart, Form, Mark, Phase};
pub use page::{Block, Page, Section};
pub use run_page::{compare_page, run_page};
pub use series::{Ink, Series, Stroke};
pub use table::Table;
