//! What each server promises its clients, and whether the result of a command agrees.

use anyhow::{Result, ensure};

use super::errand::Done;

/// What a server does for a client that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// Every frame comes back, once it is read.
    Echoes,
    /// Frames that do not fit are dropped; those that come back are right.
    MayDrop,
    /// A client that does not read may be disconnected.
    MayDisconnect,
}

impl Promise {
    /// A flood without a byte read.
    pub(super) fn check_unread(self, done: &Done) -> Result<()> {
        done.ended_with(if self == Promise::MayDisconnect { &[0, 1] } else { &[0] })
    }

    /// A flood whose replies were read in the end.
    pub(super) fn check_read(self, done: &Done) -> Result<()> {
        match self {
            Promise::Echoes => self.check_always_read(done),
            Promise::MayDrop | Promise::MayDisconnect => {
                done.ended_with(&[0, 1])?;
                check_right(done)
            }
        }
    }

    /// A flood whose replies were read all the time.
    pub(super) fn check_always_read(self, done: &Done) -> Result<()> {
        if self == Promise::MayDrop {
            // On a busy machine this client may be slow, too.
            return self.check_read(done);
        }
        done.ended_with(&[0])?;
        check_right(done)?;
        let summary = done.summary()?;
        let (produced, verified) = (&summary["produced"], &summary["verified"]);
        ensure!(produced.as_u64() > Some(0), "nothing was sent: {summary}");
        ensure!(produced == verified, "{verified} of {produced} bytes came back right");
        Ok(())
    }
}

/// Nothing that came back was wrong, whatever did not come back.
fn check_right(done: &Done) -> Result<()> {
    let summary = done.summary()?;
    for what in ["mismatched", "duplicated", "reordered"] {
        ensure!(summary[what] == 0, "{} {what}: {summary}", summary[what]);
    }
    Ok(())
}

/// The verdict of an audit. False where the machine was too slow for one.
pub(super) fn check_verdict(expected: &str, done: &Done) -> Result<bool> {
    let summary = done.summary()?;
    let verdict = summary["verdict"].as_str().unwrap_or("none");
    if matches!(verdict, "slow" | "inconclusive") {
        done.ended_with(&[3])?;
        return Ok(false);
    }
    ensure!(verdict == expected, "{verdict}, expected {expected}: {}", summary["reason"]);
    done.ended_with(if expected == "unbounded" { &[1] } else { &[0] })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flood(code: i32, verified: u64, mismatched: u64) -> Done {
        let stdout = format!(
            r#"{{"produced":100,"verified":{verified},"mismatched":{mismatched},"duplicated":0,"reordered":0}}"#
        );
        Done { code: Some(code), stdout, stderr: String::new() }
    }

    fn audit(code: i32, verdict: &str) -> Done {
        Done { code: Some(code), stdout: format!(r#"{{"verdict":"{verdict}"}}"#), stderr: String::new() }
    }

    #[test]
    fn a_wrong_or_missing_echo_is_found() {
        assert!(Promise::Echoes.check_read(&flood(0, 100, 0)).is_ok());
        assert!(Promise::Echoes.check_read(&flood(0, 99, 0)).is_err());
        assert!(Promise::Echoes.check_read(&flood(1, 100, 0)).is_err());
        for promise in [Promise::Echoes, Promise::MayDrop, Promise::MayDisconnect] {
            assert!(promise.check_read(&flood(0, 100, 1)).is_err(), "{promise:?}");
            assert!(promise.check_always_read(&flood(0, 100, 1)).is_err(), "{promise:?}");
            assert!(promise.check_unread(&flood(2, 0, 0)).is_err(), "{promise:?}");
        }
    }

    #[test]
    fn a_policy_may_do_what_it_is_for() {
        assert!(Promise::MayDrop.check_read(&flood(1, 20, 0)).is_ok());
        assert!(Promise::MayDrop.check_unread(&flood(1, 0, 0)).is_err());
        assert!(Promise::MayDisconnect.check_unread(&flood(1, 0, 0)).is_ok());
        assert!(Promise::MayDisconnect.check_always_read(&flood(1, 20, 0)).is_err());
    }

    #[test]
    fn a_wrong_verdict_is_found_and_none_is_counted() {
        assert!(check_verdict("bounded", &audit(0, "bounded")).unwrap());
        assert!(!check_verdict("bounded", &audit(3, "slow")).unwrap());
        assert!(check_verdict("bounded", &audit(1, "unbounded")).is_err());
        assert!(check_verdict("unbounded", &audit(0, "unbounded")).is_err());
        assert!(check_verdict("bounded", &audit(1, "inconclusive")).is_err());
    }
}
