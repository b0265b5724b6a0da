//! Starts and joins the threads of an experiment.
//!
//! A system that refuses one cannot show the lesson, which is not a failure of the lesson.

use std::thread::JoinHandle;

use echoctl_observe::start_thread;

use super::LessonError;

/// Runs a part of an experiment on a thread of its own.
///
/// # Errors
/// [`LessonError::NotVisible`] when the system refuses a thread.
pub fn spawn<T: Send + 'static>(
    part: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, LessonError> {
    Ok(start_thread("experiment", part)?)
}

/// The result of a part of an experiment.
///
/// # Errors
/// [`LessonError::Part`] when it panicked; the message is on stderr.
pub fn join<T>(part: JoinHandle<T>) -> Result<T, LessonError> {
    part.join().map_err(|_| LessonError::Part("run the experiment: one of its threads panicked".to_owned()))
}
