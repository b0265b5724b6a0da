//! The conditions of the decision table: what the signals of an attack say, each as one question.

mod accepting;
mod closed;
mod memory;
mod others;
mod stalled;
