//! The changes of settings since the class began.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use echoctl_record::{ClassState, Mark};

use crate::output::offer_note;

/// The latest changes, each with its time.
#[derive(Debug)]
pub(super) struct Marks {
    started: Instant,
    list: Mutex<Vec<Mark>>,
}

impl Marks {
    /// The class begins at `started`, with this policy.
    pub(super) fn new(started: Instant, policy: String) -> Marks {
        Marks { started, list: Mutex::new(vec![Mark { t: 0.0, label: policy }]) }
    }

    /// When the class began.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// Adds a change that is made now, and notes it in the terminal.
    pub(super) fn add(&self, label: String) {
        let t = self.started.elapsed().as_secs_f64();
        offer_note(format_args!("{t:.1} s: {label}"));
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() == ClassState::MAX_MARKS {
            list.remove(0);
        }
        list.push(Mark { t, label });
    }

    /// The latest changes, in order of time.
    pub(super) fn list(&self) -> Vec<Mark> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
