//! Which charts, tables and pages a run has.

pub mod charts;
mod pages;
mod recent;
pub mod tables;

pub use pages::{compare_page, run_page};
pub use recent::Recent;
