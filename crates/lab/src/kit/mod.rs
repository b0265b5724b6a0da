//! The kit that every lesson is made with: ask, measure, claim, tell.
//!
//! A [`Lesson`] is plain data and one function. It asks a [`Question`] before anything runs; its function measures with
//! real sockets ([`measure`] has what several lessons need) and gives back a [`Finding`]: the evidence, what is
//! [claimed](Claim) of it and whether that holds, and the explanation in sentences that use the figures.
//!
//! Nothing here prints or reads the terminal: the caller does, and so a lesson runs the same in a test.

mod claim;
mod deadline;
mod error;
mod finding;
pub mod kernel;
mod lesson;
pub mod measure;
mod question;
mod queues;
mod table;
mod text;
mod thread;

pub use claim::Claim;
pub use error::LessonError;
pub use finding::Finding;
pub use lesson::{Code, Lesson, Setting};
pub use question::Question;
pub use table::Table;
pub use text::{count, wrap};
pub use thread::spawn;
