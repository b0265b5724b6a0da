//! The commands, one file or folder each: its arguments, whose doc comments are the help, its run, and what it prints.

mod advice;
pub(crate) mod audit;
#[cfg(feature = "live")]
pub(crate) mod class;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod dns;
pub(crate) mod doctor;
pub(crate) mod flood;
pub(crate) mod lesson;
pub(crate) mod man;
pub(crate) mod ping;
pub(crate) mod report;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod supervise;
pub(crate) mod watch;
