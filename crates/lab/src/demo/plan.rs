//! The plan: how much is sent, how fast, and when the clients stop reading.

use std::fmt;
use std::time::Duration;

/// The work that both sides do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Bytes a second that each client sends.
    pub rate: u64,
    /// Bytes that each client sends and wants back.
    pub total: u64,
    /// Bytes of one frame, its newline included.
    pub frame: u64,
    /// For how long the clients read at first.
    pub read: Duration,
    /// For how long they then do not read.
    pub stop: Duration,
    /// The most that a server may queue: fixed, so that pictures of different machines compare.
    pub memory_limit: u64,
}

impl Plan {
    /// For a laptop: 512 MiB in about 9 seconds, of which up to 315 MiB wait in one server's memory.
    pub const FULL: Plan = Plan {
        rate: 64 * MIB,
        total: 512 * MIB,
        frame: 1024,
        read: Duration::from_secs(3),
        stop: Duration::from_secs(5),
        memory_limit: 512 * MIB,
    };

    /// For a weak or shared machine: an eighth of everything but the time.
    pub const SMALL: Plan = Plan { rate: 8 * MIB, total: 64 * MIB, memory_limit: 64 * MIB, ..Plan::FULL };

    /// Bytes of memory that must be left: one server may queue up to its limit, and the other and the clients need some.
    pub fn needs(&self) -> u64 {
        self.memory_limit + OVERHEAD
    }

    /// This plan, or the small one where only that fits into the memory that is left; `None` where neither does.
    pub fn fitting(self, left: Option<u64>) -> Option<Plan> {
        let fits = |plan: &Plan| left.is_none_or(|left| plan.needs() <= left);
        [self, Plan::SMALL].into_iter().find(fits)
    }

    /// What the clients do `t` seconds after the beginning.
    pub fn phase(&self, t: f64, done: bool) -> Phase {
        if done {
            Phase::Done
        } else if t < self.read.as_secs_f64() {
            Phase::Reads
        } else if t < self.resumes_at() {
            Phase::Stopped
        } else {
            Phase::ReadsAgain
        }
    }

    /// When a phase began, in seconds after the beginning.
    pub fn began(&self, phase: Phase) -> f64 {
        match phase {
            Phase::Reads => 0.0,
            Phase::Stopped => self.read.as_secs_f64(),
            Phase::ReadsAgain | Phase::Done => self.resumes_at(),
        }
    }

    /// When the clients read again, in seconds after the beginning.
    pub fn resumes_at(&self) -> f64 {
        (self.read + self.stop).as_secs_f64()
    }
}

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// They send, and read every reply.
    Reads,
    /// They try to send on, and do not read.
    Stopped,
    /// They read again, and send what is left.
    ReadsAgain,
    /// All has come back.
    Done,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::Reads => "reads",
            Phase::Stopped => "stops reading",
            Phase::ReadsAgain => "reads again",
            Phase::Done => "done",
        })
    }
}

const MIB: u64 = 1 << 20;

/// Bytes that the three processes need beside the queue: some 15 MiB were measured.
const OVERHEAD: u64 = 32 * MIB;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_does_not_fit_becomes_the_small_one() {
        assert_eq!(Plan::FULL.fitting(Some(1 << 30)), Some(Plan::FULL));
        assert_eq!(Plan::FULL.fitting(Some(300 * MIB)), Some(Plan::SMALL));
        assert_eq!(Plan::SMALL.fitting(Some(96 * MIB)), Some(Plan::SMALL));
        assert_eq!(Plan::SMALL.fitting(Some(95 * MIB)), None);
        assert_eq!(Plan::FULL.fitting(None), Some(Plan::FULL), "what is left is not visible");
    }
}
