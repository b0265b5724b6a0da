//! What the tests of report share with the fuzz targets: a record drawn in every way there is.

// Each test file is a program of its own and uses only a part of this.
#![allow(dead_code)]

pub(crate) mod record;
