//! The lock and the atomics of the connection table and its account: the standard library's, and in the model tests loom's.
//!
//! loom runs a test once for every order in which its threads can take turns, with every value that the memory model lets a load
//! return. So a wrong ordering fails on the first run, on any machine.

#[cfg(all(test, echoctl_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(all(test, echoctl_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
