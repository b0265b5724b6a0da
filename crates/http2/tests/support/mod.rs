//! Helpers of the tests, shared with the fuzz targets.

// Each test file is a separate program that uses only a part of this.
#![allow(dead_code)]

pub(crate) mod bytes;
pub(crate) mod conversation;
// The fuzz targets bring their own input, and no runtime.
#[cfg(test)]
pub(crate) mod peer;
#[cfg(test)]
pub(crate) mod scenario;
