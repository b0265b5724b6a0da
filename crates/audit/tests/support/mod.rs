//! Helpers of the audit's tests, some of them shared with the fuzz targets.

// Each test file is a program that uses only a part of this.
#![allow(dead_code)]

pub(crate) mod command;
pub(crate) mod script;
