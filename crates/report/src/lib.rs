//! Draws recordings: as a chart in the terminal, in plain ASCII, as SVG, CSV, and as a self-contained page.
//!
//! A [`Chart`] defines the contents: series over time, phases of the run, limits. The writers define the looks. They share axes,
//! downsampling and label placement, so that a chart shows the same on a projector, in a log, on paper and to a screen reader.
//! Colour is never the only difference between two series.
//!
//! What to draw:
//! - [`Chart`]: its [`Series`] (with their [`Ink`] and [`Stroke`]), its [`Phase`]s and [`Limit`]s.
//! - [`charts`]: the charts of a recording, and of two side by side.
//! - [`Unit`]: how values of an axis are rounded and printed.
//!
//! How it is written:
//! - [`path`]: one moment of a run: every queue on the path, with its bar and its trend.
//! - [`digits`]: a figure that the last row of a classroom can read.
//! - [`terminal`]: Unicode, with or without colour.
//! - [`plain`]: only ASCII.
//! - [`svg`]: with a light and a dark theme, labelled at the lines.
//! - [`csv`]: the numbers.
//! - [`tables`]: the figures of a run, as text or in a page.
//! - [`map_text`], [`map_page`]: the processes of a host, and which of them absorbs backpressure.
//! - [`Page`]: a document with charts, tables and their data that needs no network; [`run_page`] and [`compare_page`] fill it.
//!
//! This crate judges no run and opens no file: it converts data to text.

#![forbid(unsafe_code)]

mod draw;
mod map;
mod model;
mod run;

pub use draw::{Block, Escaped, Page, Section, csv, digits, path, plain, svg, terminal};
pub use map::{MapMarks, NO_PRESSURE, map_page, map_text, pressure_sentence};
pub use model::{
    Chart, Form, Ink, Limit, NOT_RUN, Phase, Series, Stroke, Table, Unit, shown, wrap, wrap_code,
};
pub use run::{Recent, charts, compare_page, run_page, tables};
