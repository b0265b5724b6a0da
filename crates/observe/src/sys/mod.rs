//! Kernel calls that the standard library and socket2 do not make: the only `unsafe` code of this crate, each block
//! with its argument. Nothing is interpreted here; bytes go out as they came.

#![allow(unsafe_code)]

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;
