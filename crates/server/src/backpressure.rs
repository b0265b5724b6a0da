//! Decides when to read, wait, drop or disconnect: a plain value that is given fill levels and returns decisions.
//!
//! It knows no socket, no task and no clock (`now` is passed in), so each rule of each [`Policy`] is tested as a table. The loop in
//! `queued` follows it:
//!
//! 1. Write what is queued, as far as the kernel accepts it.
//! 2. Call [`decide`](Backpressure::decide), then read, wait or disconnect.
//! 3. If a frame that was read cannot be written immediately, ask [`admits`](Backpressure::admits), then queue or drop it.

use std::time::{Duration, Instant};

use crate::policy::Policy;

/// The decisions for one connection.
#[derive(Debug)]
pub struct Backpressure {
    policy: Policy,
    /// Whether reading has stopped at the limit and has not reached the low watermark yet.
    paused: bool,
    /// When the queue began to exceed its limit.
    over_since: Option<Instant>,
    /// Length of the frame that was queued first. It was admitted at any length, so it does not count as over the limit.
    first_frame: usize,
}

/// How full the queues are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queued {
    /// Bytes in the reply queue of this connection.
    pub own: usize,
    /// Bytes buffered by all connections of the server together.
    pub all: u64,
}

/// What the connection is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read: there is room.
    Read,
    /// Do not read; continue when the kernel accepts output again.
    Wait,
    /// Wait as well, but ask again after this time at the latest.
    WaitAtMost(Duration),
    /// Disconnect the peer, whose queue exceeded its limit for longer than the grace time.
    Disconnect {
        /// The limit in bytes.
        limit: usize,
        /// The grace time.
        grace: Duration,
    },
}

impl Backpressure {
    /// The decisions for one connection under `policy`.
    pub const fn new(policy: Policy) -> Backpressure {
        Backpressure { policy, paused: false, over_since: None, first_frame: 0 }
    }

    /// The policy that it follows.
    pub(crate) const fn policy(&self) -> Policy {
        self.policy
    }

    /// What to do next, after everything that the kernel accepts has been written.
    pub fn decide(&mut self, queued: Queued, now: Instant) -> Action {
        let read_if = |there_is_room| if there_is_room { Action::Read } else { Action::Wait };
        match self.policy {
            Policy::Await => read_if(queued.own == 0),
            Policy::Off | Policy::Drop { .. } => Action::Read,
            Policy::Bounded { limit } => read_if(queued.own < limit),
            Policy::Watermark { limit, resume_at } => {
                self.paused = if self.paused { queued.own > resume_at } else { queued.own >= limit };
                read_if(!self.paused)
            }
            // A connection with an empty queue may always read. So each makes progress, however much the others have queued,
            // and one that waits has bytes queued itself, so that its own peer wakes it up by reading.
            Policy::Budget { limit } => read_if(queued.own == 0 || queued.all < limit as u64),
            Policy::Disconnect { limit, grace } => self.decide_in_grace(queued.own, limit, grace, now),
        }
    }

    /// Whether a frame of `frame` bytes that cannot be written immediately may join `queued` bytes. Otherwise it is dropped.
    pub(crate) fn admits(&self, queued: usize, frame: usize) -> bool {
        !matches!(self.policy, Policy::Drop { limit } if queued > 0 && queued + frame > limit)
    }

    /// Records that the queue was empty and now starts with a frame of `frame` bytes, which may exceed the limit.
    pub(crate) fn start_with(&mut self, frame: usize) {
        self.first_frame = frame;
    }

    fn decide_in_grace(&mut self, own: usize, limit: usize, grace: Duration, now: Instant) -> Action {
        if own <= limit.max(self.first_frame) {
            self.over_since = None;
            return Action::Read;
        }
        let over_for = now.saturating_duration_since(*self.over_since.get_or_insert(now));
        match grace.checked_sub(over_for) {
            None | Some(Duration::ZERO) => Action::Disconnect { limit, grace },
            Some(left) => Action::WaitAtMost(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    fn decide(policy: Policy, own: usize, all: u64) -> Action {
        Backpressure::new(policy).decide(Queued { own, all }, Instant::now())
    }

    #[test]
    fn await_reads_only_when_nothing_is_queued() {
        assert_eq!(decide(Policy::Await, 0, 0), Action::Read);
        assert_eq!(decide(Policy::Await, 1, 1), Action::Wait);
    }

    #[test]
    fn off_always_reads() {
        assert_eq!(decide(Policy::Off, 1 << 40, 1 << 40), Action::Read);
    }

    #[test]
    fn bounded_waits_at_the_limit_and_resumes_below_it() {
        let policy = Policy::Bounded { limit: LIMIT };

        assert_eq!(decide(policy, LIMIT - 1, 0), Action::Read);
        assert_eq!(decide(policy, LIMIT, 0), Action::Wait);
    }

    #[test]
    fn watermark_waits_from_the_limit_to_the_low_watermark() {
        let mut backpressure = Backpressure::new(Policy::Watermark { limit: LIMIT, resume_at: 200 });
        let mut answers = |levels: &[usize]| {
            levels.iter().map(|&own| decide_again(&mut backpressure, own)).collect::<Vec<_>>()
        };

        assert_eq!(answers(&[0, 500, 999]), [Action::Read; 3], "on the way up");
        assert_eq!(answers(&[1000, 999, 500, 201]), [Action::Wait; 4], "on the way down");
        assert_eq!(answers(&[200, 999]), [Action::Read; 2], "and up again");
    }

    #[test]
    fn drop_keeps_reading_and_drops_a_frame_that_does_not_fit() {
        let policy = Policy::Drop { limit: LIMIT };
        let admits = |queued, frame| Backpressure::new(policy).admits(queued, frame);

        assert_eq!(decide(policy, LIMIT, 0), Action::Read);
        assert!(admits(900, 100));
        assert!(!admits(900, 101));
        assert!(admits(0, 5000), "an empty queue admits a long frame");
    }

    #[test]
    fn other_policies_drop_nothing() {
        for policy in [Policy::Off, Policy::Bounded { limit: LIMIT }, Policy::Budget { limit: LIMIT }] {
            assert!(Backpressure::new(policy).admits(LIMIT, LIMIT), "{policy}");
        }
    }

    #[test]
    fn disconnect_tolerates_more_than_the_limit_for_the_grace() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut backpressure = Backpressure::new(Policy::Disconnect { limit: LIMIT, grace: second * 3 });
        let mut at = |seconds, own| backpressure.decide(Queued { own, all: 0 }, start + second * seconds);

        assert_eq!(at(0, LIMIT), Action::Read);
        assert_eq!(
            at(100, LIMIT + 1),
            Action::WaitAtMost(second * 3),
            "nothing is read during the grace time"
        );
        assert_eq!(at(102, LIMIT + 1), Action::WaitAtMost(second));
        assert_eq!(at(102, LIMIT), Action::Read, "it caught up");
        assert_eq!(at(110, LIMIT + 1), Action::WaitAtMost(second * 3), "so the grace time starts again");
        assert_eq!(at(113, LIMIT + 1), Action::Disconnect { limit: LIMIT, grace: second * 3 });
    }

    #[test]
    fn disconnect_without_grace_tolerates_one_long_frame() {
        let mut backpressure = Backpressure::new(Policy::Disconnect { limit: LIMIT, grace: Duration::ZERO });
        backpressure.start_with(5000);

        assert_eq!(decide_again(&mut backpressure, 5000), Action::Read);
        let disconnect = Action::Disconnect { limit: LIMIT, grace: Duration::ZERO };
        assert_eq!(decide_again(&mut backpressure, 5001), disconnect);
    }

    #[test]
    fn budget_waits_at_the_total_limit_but_grants_one_read() {
        let policy = Policy::Budget { limit: LIMIT };

        assert_eq!(decide(policy, 10, 999), Action::Read);
        assert_eq!(decide(policy, 10, 1000), Action::Wait);
        assert_eq!(decide(policy, 0, 5000), Action::Read);
    }

    fn decide_again(backpressure: &mut Backpressure, own: usize) -> Action {
        backpressure.decide(Queued { own, all: 0 }, Instant::now())
    }
}
