//! What the tests of proto share with the fuzz targets: simple models of what proto does, and runs that compare with them.
//!
//! Each `check` accepts any bytes, interprets them as a scenario, and panics where proto differs from its model. So a fuzz target
//! is one call, and an input that it finds can be passed to an ordinary test unchanged.

// Each test file is a separate program that uses only a part of this.
#![allow(dead_code)]

pub(crate) mod buffer;
pub(crate) mod framing;
pub(crate) mod naive;
// The fuzz targets bring their own random input, and no proptest.
#[cfg(test)]
pub(crate) mod strategies;
