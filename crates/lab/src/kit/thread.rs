//! The threads of an experiment: a system that refuses one cannot show the lesson, which is no fault.

use std::thread::JoinHandle;

use echoctl_observe::start_thread;

use super::LessonError;

/// Runs a part of an experiment on a thread of its own.
///
/// # Errors
/// [`LessonError::NotVisible`] when the system gives no thread.
pub fn spawn<T: Send + 'static>(
    part: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, LessonError> {
    Ok(start_thread("experiment", part)?)
}
