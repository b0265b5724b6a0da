//! What the tests of lab share with the fuzz targets: promises that hold for any bytes.

// Each test file is a program of its own and uses only a part of this.
#![allow(dead_code)]

pub(crate) mod dns;
