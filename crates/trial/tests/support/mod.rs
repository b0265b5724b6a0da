//! Helpers of the tests of servers that are started.

// Each test file is a program that uses only a part of this.
#![allow(dead_code)]

pub(crate) mod command;
