//! Runs each experiment on a thread of its own, and abandons it if it does not finish in time.
//!
//! An experiment waits for its own sockets with deadlines (see [`loopback`](super::loopback)). This limit is for unforeseen
//! cases: a call that blocks, a child process that is stopped, another program on one of its ports.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::{Finding, Lesson, LessonError, Setting, queues, spawn};

impl Lesson {
    /// Runs the experiment, and waits for it at most 30 s.
    ///
    /// # Errors
    /// The experiment's own error, or a timeout, or a panic. [`LessonError::NotVisible`] if a claim does not hold and this
    /// system's queues differ widely from those that the lesson expects. After a timeout the experiment's thread is abandoned;
    /// its servers exit with this process.
    pub fn measure(&self, setting: &Setting) -> Result<Finding, LessonError> {
        let outcome = within(MAX_DURATION, self.run, setting.clone());
        let failed = match &outcome {
            // Under sabotage the claim must fail on any system.
            _ if setting.sabotage => None,
            Ok(finding) => finding
                .claims
                .iter()
                .find(|claim| !claim.holds)
                .map(|claim| format!("{}: measured {}", claim.claim, claim.measured)),
            Err(error) => error.is_about_time().then(|| error.to_string()),
        };
        match failed.zip(queues::unusual()) {
            None => outcome,
            Some((failed, why)) => Err(LessonError::NotVisible(format!(
                "{why}, and the experiment expects values near the defaults ({failed})"
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
        // An error means that the caller has timed out.
        let _ = sender.send(run(&setting));
    })?;
    receiver.recv_timeout(limit).unwrap_or_else(|error| {
        Err(match error {
            RecvTimeoutError::Timeout => LessonError::TimedOut {
                what: "the experiment has ended".to_owned(),
                seconds: limit.as_secs(),
            },
            // The panic message is on stderr.
            RecvTimeoutError::Disconnected => LessonError::Part("run the experiment: it panicked".to_owned()),
        })
    })
}

/// Time limit of a lesson. The longest one takes 8 s on an idle machine, and took 14 s where other programs used both cores.
const MAX_DURATION: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn setting() -> Setting {
        Setting { sabotage: false, seed: 1, program: PathBuf::new() }
    }

    #[test]
    fn an_experiment_that_blocks_times_out() {
        let blocks: fn(&Setting) -> Result<Finding, LessonError> = |_| loop {
            std::thread::park();
        };

        let error = within(Duration::from_millis(20), blocks, setting()).expect_err("it never ends");

        assert!(matches!(error, LessonError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn an_experiment_that_panics_is_an_error() {
        let panics: fn(&Setting) -> Result<Finding, LessonError> = |_| panic!("on purpose, in a test");

        let error = within(Duration::from_secs(60), panics, setting()).expect_err("it panicked");

        assert!(matches!(error, LessonError::Part(_)), "{error}");
    }
}
