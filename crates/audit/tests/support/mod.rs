//! Helpers of the audit's tests, some of them shared with the fuzz targets.

pub(crate) mod command;
pub(crate) mod script;
