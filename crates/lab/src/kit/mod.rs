//! Building blocks of the lessons: a question, measurements, claims and an explanation.
//!
//! A [`Lesson`] is plain data and one function. It has a [`Question`] that is asked before anything runs. Its function
//! measures with real sockets ([`loopback`] has what several lessons need) and returns a [`Finding`]: the evidence, the
//! [claims](Claim) about it and whether they hold, and the explanation in sentences that use the figures.
//!
//! Nothing here prints or reads from the terminal. That is the caller's job, so a lesson runs the same in a test.

mod child;
mod deadline;
mod error;
mod finding;
pub mod kernel;
mod lesson;
mod local_servers;
pub mod loopback;
mod page;
mod question;
mod queues;
mod thread;

pub(crate) use child::serve_as_child;
pub use error::LessonError;
pub use finding::{Claim, Finding};
pub use lesson::{Code, Language, Lesson, Setting};
pub(crate) use local_servers::LocalServers;
pub use page::{course_page, page};
pub use question::Question;
pub use thread::{join, spawn};
