//! The end of every lesson: an experiment runs on a thread of its own, and what does not end in time is left behind.
//!
//! An experiment waits for its own sockets with deadlines (see [`measure`](super::measure)). This is for what none of them
//! foresees: a call that blocks, a child that is stopped, a stranger at one of its ports.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::{Finding, Lesson, LessonError, Setting, queues, spawn};

impl Lesson {
    /// Runs the experiment, and waits for it no longer than 14 s.
    ///
    /// # Errors
    /// What the experiment returned, or that it did not end in time, or that it failed. [`LessonError::NotVisible`] where a
    /// claim does not hold and this system's queues are far from what the lesson is made for. One that did not end is left
    /// behind on its thread; its servers end with this process.
    pub fn measure(&self, setting: &Setting) -> Result<Finding, LessonError> {
        let outcome = within(MAX_DURATION, self.run, setting.clone());
        let failed = match &outcome {
            // Sabotage wants to see the claim fail, whatever the system.
            _ if setting.sabotage => None,
            Ok(finding) => finding
                .claims
                .iter()
                .find(|claim| !claim.holds)
                .map(|claim| format!("{}: seen {}", claim.claim, claim.measured)),
            Err(error) => error.is_about_time().then(|| error.to_string()),
        };
        match failed.zip(queues::unusual()) {
            None => outcome,
            Some((failed, why)) => Err(LessonError::NotVisible(format!(
                "{why}, which the experiment is not made for ({failed})"
            ))),
        }
    }
}

fn within(
    limit: Duration,
    run: fn(&Setting) -> Result<Finding, LessonError>,
    setting: Setting,
) -> Result<Finding, LessonError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    spawn(move || {
        // Nobody waits any more after the limit.
        let _ = sender.send(run(&setting));
    })?;
    receiver.recv_timeout(limit).unwrap_or_else(|error| {
        Err(match error {
            RecvTimeoutError::Timeout => LessonError::TimedOut {
                what: "the experiment has ended".to_owned(),
                seconds: limit.as_secs(),
            },
            // It has said on stderr what was wrong.
            RecvTimeoutError::Disconnected => LessonError::Part("the experiment panicked".to_owned()),
        })
    })
}

/// The longest that a lesson may take: a second less than the 15 that a learner is promised, for starting and printing.
/// The longest lesson takes 8 s on a quiet machine.
const MAX_DURATION: Duration = Duration::from_secs(14);

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn setting() -> Setting {
        Setting { sabotage: false, seed: 1, program: PathBuf::new() }
    }

    #[test]
    fn an_experiment_that_blocks_is_left_behind() {
        let blocks: fn(&Setting) -> Result<Finding, LessonError> = |_| loop {
            std::thread::park();
        };

        let error = within(Duration::from_millis(20), blocks, setting()).expect_err("it never ends");

        assert!(matches!(error, LessonError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn an_experiment_that_panics_is_an_error() {
        let panics: fn(&Setting) -> Result<Finding, LessonError> = |_| panic!("as this test wants it");

        let error = within(Duration::from_secs(60), panics, setting()).expect_err("it panicked");

        assert!(matches!(error, LessonError::Part(_)), "{error}");
    }
}
