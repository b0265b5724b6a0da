//! System calls that neither the standard library nor socket2 makes: the only `unsafe` code of this crate, with a
//! reason for each block. It returns bytes and numbers, which other modules interpret, except for structures that
//! only one system has.

#![allow(unsafe_code)]

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(unix)]
pub use unix::{raise_descriptor_limit, thread_processor_time};

#[cfg(target_vendor = "apple")]
mod apple;
#[cfg(target_vendor = "apple")]
pub(crate) use apple::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;
#[cfg(windows)]
pub use windows::{raise_descriptor_limit, thread_processor_time};
