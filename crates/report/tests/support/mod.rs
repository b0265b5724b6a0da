//! Shared by the tests of report and the fuzz targets: draws a record in every form.

// Each test file is a program of its own and uses only a part of this.
#![allow(dead_code)]

pub(crate) mod record;
