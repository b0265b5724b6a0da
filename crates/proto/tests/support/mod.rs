//! What the tests of proto share with the fuzz targets: plain models of what proto does, and runs that compare.
//!
//! Each `check` takes any bytes at all, reads them as a scenario, and panics where proto differs from its model. So a
//! fuzz target is one call, and what it finds can be handed to an ordinary test as it is.

// Each test file is a program of its own and uses only a part of this.
#![allow(dead_code)]

pub(crate) mod buffer;
pub(crate) mod framing;
pub(crate) mod naive;
// The fuzz targets bring their own random input, and no proptest.
#[cfg(test)]
pub(crate) mod strategies;
