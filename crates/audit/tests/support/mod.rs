//! What the tests of audit share, partly with the fuzz targets: commands to audit, and promises that hold for any bytes.

// Each test file is a program of its own and uses only a part of this.
#![allow(dead_code)]

pub(crate) mod command;
pub(crate) mod script;
