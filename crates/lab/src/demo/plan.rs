//! Amounts, rates and times of the demo's work.

use std::fmt;
use std::time::Duration;

/// The work that both sides do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Bytes per second that each client sends.
    pub rate: u64,
    /// Bytes that each client sends and expects back.
    pub total: u64,
    /// Bytes of one frame, including its newline.
    pub frame: u64,
    /// How long the clients read at first.
    pub read: Duration,
    /// How long they then do not read.
    pub stop: Duration,
    /// Memory limit of each server in bytes: fixed, so that charts of different machines can be compared.
    pub memory_limit: u64,
    /// Receive buffer of the sockets of both ends, in bytes. `None`: tuned by the kernel.
    pub receive_buffer: Option<usize>,
}

impl Plan {
    /// For a laptop: 512 MiB in about 9 s, of which up to 315 MiB are buffered in one server's memory.
    pub const FULL: Plan = Plan {
        rate: 64 * MIB,
        total: 512 * MIB,
        frame: 1024,
        read: Duration::from_secs(3),
        stop: Duration::from_secs(5),
        memory_limit: 512 * MIB,
        receive_buffer: None,
    };

    /// For a small or shared machine: an eighth of the memory and rate, in the same time.
    ///
    /// The kernel may enlarge a receive buffer to 32 MiB (`net.ipv4.tcp_rmem`). Those of both ends would then hold all that is sent at this
    /// rate in 5 s, and no client would be held back.
    pub const SMALL: Plan = Plan {
        rate: 8 * MIB,
        total: 64 * MIB,
        memory_limit: 64 * MIB,
        receive_buffer: Some(MIB as usize),
        ..Plan::FULL
    };

    /// Bytes of memory that must be available: one server may queue up to its limit, and the other processes need some.
    pub fn needs(&self) -> u64 {
        self.memory_limit + OVERHEAD
    }

    /// This plan, or the small one if only that fits into the available memory; `None` if neither does.
    pub fn fitting(self, left: Option<u64>) -> Option<Plan> {
        let fits = |plan: &Plan| left.is_none_or(|left| plan.needs() <= left);
        [self, Plan::SMALL].into_iter().find(fits)
    }

    /// What the clients do `t` seconds after the start.
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

    /// When a phase began, in seconds after the start.
    pub fn began(&self, phase: Phase) -> f64 {
        match phase {
            Phase::Reads => 0.0,
            Phase::Stopped => self.read.as_secs_f64(),
            Phase::ReadsAgain | Phase::Done => self.resumes_at(),
        }
    }

    /// When the clients read again, in seconds after the start.
    pub fn resumes_at(&self) -> f64 {
        (self.read + self.stop).as_secs_f64()
    }
}

/// What the clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// They send, and read every reply.
    Reads,
    /// They keep trying to send, and do not read.
    Stopped,
    /// They read again, and send the rest.
    ReadsAgain,
    /// Everything has come back.
    Done,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Phase::Reads => "reads",
            Phase::Stopped => "does not read",
            Phase::ReadsAgain => "reads again",
            Phase::Done => "done",
        })
    }
}

const MIB: u64 = 1 << 20;

/// Bytes that the three processes need besides the queue: about 15 MiB were measured.
const OVERHEAD: u64 = 32 * MIB;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_cannot_hold_what_is_sent_in_the_stall() {
        // Linux's default maximum of a send buffer, and that of a receive buffer in Linux 6.18 (tcp(7): tcp_wmem, tcp_rmem).
        const SEND: u64 = 4 * MIB;
        const RECEIVE: u64 = 32 * MIB;
        for plan in [Plan::FULL, Plan::SMALL] {
            // SO_RCVBUF is doubled (socket(7)).
            let receive = plan.receive_buffer.map_or(RECEIVE, |bytes| 2 * bytes as u64);
            let sent = plan.rate * plan.stop.as_secs();

            assert!(sent > 2 * 2 * (SEND + receive), "{plan:?}");
        }
    }

    #[test]
    fn a_plan_that_does_not_fit_is_replaced_by_the_small_one() {
        assert_eq!(Plan::FULL.fitting(Some(1 << 30)), Some(Plan::FULL));
        assert_eq!(Plan::FULL.fitting(Some(300 * MIB)), Some(Plan::SMALL));
        assert_eq!(Plan::SMALL.fitting(Some(96 * MIB)), Some(Plan::SMALL));
        assert_eq!(Plan::SMALL.fitting(Some(95 * MIB)), None);
        assert_eq!(Plan::FULL.fitting(None), Some(Plan::FULL), "available memory is not visible");
    }
}
