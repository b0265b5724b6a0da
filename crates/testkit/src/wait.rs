//! Waiting until a condition holds, with a deadline that only a hung program reaches.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Calls `condition` until it holds, and returns what it found: nothing for a `bool`, the value of an `Option` or a `Result`.
///
/// # Panics
/// After [`DEADLINE`], with `what` and the last error, which shows the state.
#[track_caller]
pub fn eventually<A: Answer>(what: &str, mut condition: impl FnMut() -> A) -> A::Found {
    let mut wait = Wait::new(what);
    loop {
        if let Some(found) = wait.check(condition()) {
            return found;
        }
        thread::sleep(PAUSE);
    }
}

/// The state of [`eventually`], for tests that have a way of their own to pause, such as that of a runtime.
#[derive(Debug)]
pub struct Wait<'a> {
    what: &'a str,
    deadline: Instant,
    last: String,
}

impl<'a> Wait<'a> {
    /// Starts waiting for `what`.
    pub fn new(what: &'a str) -> Wait<'a> {
        Wait { what, deadline: Instant::now() + DEADLINE, last: String::new() }
    }

    /// Returns what was found; `None`: pause and check again.
    ///
    /// # Panics
    /// After the deadline.
    #[track_caller]
    pub fn check<A: Answer>(&mut self, answer: A) -> Option<A::Found> {
        let found = answer.found(&mut self.last);
        let is_late = found.is_none() && Instant::now() >= self.deadline;
        assert!(!is_late, "not within {DEADLINE:?}: {}{}", self.what, self.last);
        found
    }
}

/// What a condition returns.
pub trait Answer {
    /// What [`eventually`] returns once the condition holds.
    type Found;

    /// Returns `None` if the condition does not hold yet, and then may describe the state in `last`.
    fn found(self, last: &mut String) -> Option<Self::Found>;
}

impl Answer for bool {
    type Found = ();

    fn found(self, _: &mut String) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Answer for Option<T> {
    type Found = T;

    fn found(self, _: &mut String) -> Option<T> {
        self
    }
}

/// The error is the state.
impl<T, S: Debug> Answer for Result<T, S> {
    type Found = T;

    fn found(self, last: &mut String) -> Option<T> {
        self.map_err(|state| *last = format!(" (last: {state:?})")).ok()
    }
}

/// Far longer than any condition takes on a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Between two checks: short beside what is waited for, and long enough that the others run.
pub const PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_condition_is_checked_until_it_holds() {
        let checks = Cell::new(0);

        let found = eventually("the third check", || {
            checks.set(checks.get() + 1);
            if checks.get() < 3 { Err(checks.get()) } else { Ok("found") }
        });

        assert_eq!((found, checks.get()), ("found", 3));
    }

    #[test]
    fn a_late_condition_fails_with_its_last_state() {
        let panic = std::panic::catch_unwind(|| {
            let mut wait = Wait { deadline: Instant::now(), ..Wait::new("all bytes") };
            wait.check(Err::<(), _>(17))
        });

        let message = *panic.unwrap_err().downcast::<String>().unwrap();
        assert!(message.ends_with("all bytes (last: 17)"), "{message}");
    }

    #[test]
    fn what_is_found_late_is_not_a_failure() {
        let mut wait = Wait { deadline: Instant::now(), ..Wait::new("a value") };

        assert_eq!(wait.check(Some(1)), Some(1));
    }
}
