//! The kit that every lesson is made with: ask, measure, claim, tell.
//!
//! A [`Lesson`] is plain data and one function. It asks a [`Question`] before anything runs; its function measures with
//! real sockets ([`measure`] has what several lessons need) and gives back a [`Finding`]: the evidence, what is
//! [claimed](Claim) of it and whether that holds, and the explanation in sentences that use the figures.
//!
//! Nothing here prints or reads the terminal: the caller does, and so a lesson runs the same in a test.

mod ask;
mod claim;
mod deadline;
mod error;
pub mod kernel;
mod lesson;
pub mod measure;
mod queues;
mod table;
mod tell;
mod thread;

pub use ask::Question;
pub use claim::Claim;
pub use error::LessonError;
pub use lesson::{Code, Lesson, Setting};
pub use table::Table;
pub use tell::{Finding, count, wrap};
pub use thread::spawn;
