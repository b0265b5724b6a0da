//! Helpers shared with the fuzz targets: guarantees that hold for any bytes.

// Each test file is a separate program and uses only a part of this.
#![allow(dead_code)]

pub(crate) mod dns;
