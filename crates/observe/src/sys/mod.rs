//! Kernel calls that the standard library and socket2 do not make: the only `unsafe` code of this crate, each block
//! with its argument. What comes out is bytes and numbers; what they mean is said elsewhere, but for the structures that
//! only one system has.

#![allow(unsafe_code)]

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(target_vendor = "apple")]
mod apple;
#[cfg(target_vendor = "apple")]
pub(crate) use apple::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;
