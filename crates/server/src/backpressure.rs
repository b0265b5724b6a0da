//! What to do next about a reply queue: a plain value that is told how full things are, and answers.
//!
//! It knows no socket, no task and no clock (`now` is handed in), so each rule of each [`Policy`] is tested as a table. The
//! loop in `queued` obeys it:
//!
//! 1. Write what is queued, as far as the kernel takes it.
//! 2. Ask [`decide`](Backpressure::decide), and read, wait or disconnect.
//! 3. When a frame has been read and cannot be written at once, ask [`admit`](Backpressure::admit), and queue or drop it.

use std::time::{Duration, Instant};

use crate::policy::Policy;

/// The decision maker of one connection.
#[derive(Debug)]
pub struct Backpressure {
    policy: Policy,
    /// Whether reading has stopped at the limit and waits for the level to resume at.
    paused: bool,
    /// Since when the queue has been over what is borne.
    over_since: Option<Instant>,
    /// Bytes of the frame that the queue began with: it was admitted whatever its length, so it is borne.
    first_frame: usize,
}

/// How full things are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Queued {
    /// Bytes in this connection's reply queue.
    pub own: usize,
    /// Bytes held by all connections of the server together.
    pub all: u64,
}

/// What the connection is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read: there is room.
    Read,
    /// Do not read; go on when the peer has taken bytes.
    Wait,
    /// The same, but ask again after this time at the latest.
    WaitAtMost(Duration),
    /// Give the peer up.
    Disconnect,
}

/// What is to become of a frame that cannot be written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Append it to the queue.
    Queue,
    /// Forget it, as a whole.
    Drop,
}

impl Backpressure {
    /// A decision maker for one connection under `policy`.
    pub const fn new(policy: Policy) -> Backpressure {
        Backpressure { policy, paused: false, over_since: None, first_frame: 0 }
    }

    /// What to do next, after all that the kernel would take has been written.
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
            // Whoever has nothing queued may always read: so each connection gets on, however greedy the others are, and
            // whoever waits has bytes queued, so that its own peer's reading wakes it.
            Policy::Budget { limit } => read_if(queued.own == 0 || queued.all < limit as u64),
            Policy::Disconnect { limit, grace } => self.decide_in_grace(queued.own, limit, grace, now),
        }
    }

    /// Whether a frame of `frame` bytes may join `queued` bytes.
    pub fn admit(&self, queued: usize, frame: usize) -> Admission {
        match self.policy {
            Policy::Drop { limit } if queued > 0 && queued + frame > limit => Admission::Drop,
            _ => Admission::Queue,
        }
    }

    /// Says that the queue was empty and begins with a frame of `frame` bytes, which may be longer than the limit.
    pub fn start_with(&mut self, frame: usize) {
        self.first_frame = frame;
    }

    fn decide_in_grace(&mut self, own: usize, limit: usize, grace: Duration, now: Instant) -> Action {
        if own <= limit.max(self.first_frame) {
            self.over_since = None;
            return Action::Read;
        }
        let over_for = now.saturating_duration_since(*self.over_since.get_or_insert(now));
        match grace.checked_sub(over_for) {
            None | Some(Duration::ZERO) => Action::Disconnect,
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
    fn bounded_waits_at_the_limit_and_reads_as_soon_as_there_is_room() {
        let policy = Policy::Bounded { limit: LIMIT };

        assert_eq!(decide(policy, LIMIT - 1, 0), Action::Read);
        assert_eq!(decide(policy, LIMIT, 0), Action::Wait);
    }

    #[test]
    fn watermark_waits_at_the_limit_until_the_queue_has_fallen_to_the_lower_mark() {
        let mut backpressure = Backpressure::new(Policy::Watermark { limit: LIMIT, resume_at: 200 });
        let mut answers = |levels: &[usize]| {
            levels.iter().map(|&own| decide_again(&mut backpressure, own)).collect::<Vec<_>>()
        };

        assert_eq!(answers(&[0, 500, 999]), [Action::Read; 3], "on the way up");
        assert_eq!(answers(&[1000, 999, 500, 201]), [Action::Wait; 4], "on the way down");
        assert_eq!(answers(&[200, 999]), [Action::Read; 2], "and up again");
    }

    #[test]
    fn drop_reads_on_and_drops_the_frame_that_does_not_fit() {
        let policy = Policy::Drop { limit: LIMIT };
        let admit = |queued, frame| Backpressure::new(policy).admit(queued, frame);

        assert_eq!(decide(policy, LIMIT, 0), Action::Read);
        assert_eq!(admit(900, 100), Admission::Queue);
        assert_eq!(admit(900, 101), Admission::Drop);
        assert_eq!(admit(0, 5000), Admission::Queue, "a long frame passes when the queue is empty");
    }

    #[test]
    fn other_policies_drop_nothing() {
        for policy in [Policy::Off, Policy::Bounded { limit: LIMIT }, Policy::Budget { limit: LIMIT }] {
            assert_eq!(Backpressure::new(policy).admit(LIMIT, LIMIT), Admission::Queue, "{policy}");
        }
    }

    #[test]
    fn disconnect_bears_the_limit_for_ever_and_more_for_the_grace() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut backpressure = Backpressure::new(Policy::Disconnect { limit: LIMIT, grace: second * 3 });
        let mut at = |seconds, own| backpressure.decide(Queued { own, all: 0 }, start + second * seconds);

        assert_eq!(at(0, LIMIT), Action::Read);
        assert_eq!(at(100, LIMIT + 1), Action::WaitAtMost(second * 3), "it is not read during the grace");
        assert_eq!(at(102, LIMIT + 1), Action::WaitAtMost(second));
        assert_eq!(at(102, LIMIT), Action::Read, "it caught up");
        assert_eq!(at(110, LIMIT + 1), Action::WaitAtMost(second * 3), "so the grace begins anew");
        assert_eq!(at(113, LIMIT + 1), Action::Disconnect);
    }

    #[test]
    fn disconnect_without_grace_disconnects_at_once_but_bears_one_long_frame() {
        let mut backpressure = Backpressure::new(Policy::Disconnect { limit: LIMIT, grace: Duration::ZERO });
        backpressure.start_with(5000);

        assert_eq!(decide_again(&mut backpressure, 5000), Action::Read);
        assert_eq!(decide_again(&mut backpressure, 5001), Action::Disconnect);
    }

    #[test]
    fn budget_waits_when_all_together_are_at_the_limit_but_lets_everybody_have_one_read() {
        let policy = Policy::Budget { limit: LIMIT };

        assert_eq!(decide(policy, 10, 999), Action::Read);
        assert_eq!(decide(policy, 10, 1000), Action::Wait);
        assert_eq!(decide(policy, 0, 5000), Action::Read);
    }

    fn decide_again(backpressure: &mut Backpressure, own: usize) -> Action {
        backpressure.decide(Queued { own, all: 0 }, Instant::now())
    }
}
