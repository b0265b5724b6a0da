//! A class that watches one server: what its page shows, and what a teacher may ask for.

mod command;
mod history;
mod log;
mod question;
mod row;
mod state;

pub use command::ClassCommand;
pub use history::{ClassHistory, ClassPoint};
pub use log::ClassLog;
pub use question::{LessonChoice, NewQuestion, Question, QuestionState};
pub use row::ClassRow;
pub use state::{ClassSetup, ClassState, Mark, PolicyChoice};
