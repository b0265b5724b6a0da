//! A reply that goes on, and whether a newcomer gets more of it than its beginning.
//!
//! A server that sends the same stream to all of its clients in turn, and waits for each of them, still answers a newcomer: with the head of
//! a response, after which nothing comes. That the stream goes on once the slow reader has gone shows who held it up.

use std::time::Duration;

use super::client::HealthyClient;
use crate::attack::driver::Moment;

/// A stream that a newcomer gets.
#[derive(Debug)]
pub(super) struct Stream {
    /// Bytes of it that need not be waited for any longer.
    enough: u64,
    awaited: Option<Moment>,
    /// Whether it went on at these moments.
    during: Option<bool>,
    after: Option<bool>,
}

impl Stream {
    /// What a client got before the attack, if it was a stream.
    pub(super) fn of(calm: &HealthyClient) -> Option<Stream> {
        let enough = calm.received().min(MOST_READ);
        let stream = Stream { enough, awaited: None, during: None, after: None };
        (calm.flowed_for() >= FLOWING).then_some(stream)
    }

    /// Waits from now on for what a newcomer gets at this moment.
    pub(super) fn begin(&mut self, moment: Moment) {
        self.awaited = Some(moment);
    }

    /// Whether a newcomer has yet to get it.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.is_some()
    }

    /// Whether the newcomer got enough to show that it goes on. It is then no longer awaited.
    pub(super) fn goes_on(&mut self, newcomer: &HealthyClient) -> bool {
        let goes_on = newcomer.flowed_for() >= FLOWING || newcomer.received() >= self.enough;
        // One that has ended was not held up, but does not show that it goes on either.
        let has_ended = self.awaited == Some(Moment::During) && newcomer.is_left_answered();
        let is_enough = newcomer.asked().is_none() && (goes_on || has_ended);
        if is_enough {
            self.note(true);
        }
        is_enough
    }

    /// Waits no longer. What did not begin has not been answered, which is another matter.
    pub(super) fn give_up(&mut self, newcomer: &HealthyClient) {
        if newcomer.asked().is_none() {
            self.note(false);
        }
        self.awaited = None;
    }

    /// Whether it began and did not go on during the attack, and went on after it.
    pub(super) fn was_held_up(&self) -> bool {
        (self.during, self.after) == (Some(false), Some(true))
    }

    fn note(&mut self, goes_on: bool) {
        match self.awaited.take() {
            // There may be two stalls.
            Some(Moment::During) => self.during = Some(goes_on && self.during != Some(false)),
            Some(Moment::After) => self.after = Some(goes_on),
            None => {}
        }
    }
}

/// How long a reply comes without a pause that is a stream.
const FLOWING: Duration = Duration::from_millis(200);

/// Bytes after which a newcomer reads no more: more would only keep the server busy.
const MOST_READ: u64 = 8 << 20;
