//! Newcomers: the same client again, not frozen, to see whether the server serves others.
//!
//! The first one starts while the other client is frozen. If it gets too little, two more start one after the other once the frozen
//! one has gone: what the first of them gets shows whether the server has recovered, and what the second one gets whether it serves
//! several clients at all.

use std::time::Duration;

use echoctl_record::{Bystanders, Service};

use super::client::{Client, Launcher};
use super::flow::Flow;
use crate::Error;
use crate::attack::driver::Moment;

/// The newcomers of an attack.
#[derive(Debug)]
pub(super) struct Newcomers {
    /// Bytes that each should get, and how long the first client took to get them.
    wanted: u64,
    calm: Duration,
    asking: Option<Newcomer>,
    /// Remains connected while another one asks.
    beside: Option<Client>,
    during: Option<bool>,
    after: Option<bool>,
    serves_several: Option<bool>,
    longest: Duration,
    /// Whether the first client was disconnected while one of them was there.
    has_replaced: bool,
}

/// One of them, which waits for its bytes.
#[derive(Debug)]
struct Newcomer {
    client: Client,
    moment: Moment,
}

impl Newcomers {
    /// None yet, after the first client had this flow.
    pub(super) fn after(flow: &Flow) -> Newcomers {
        Newcomers {
            wanted: flow.wanted,
            calm: flow.wanted_after,
            asking: None,
            beside: None,
            during: None,
            after: None,
            serves_several: None,
            longest: Duration::ZERO,
            has_replaced: false,
        }
    }

    /// Starts one.
    ///
    /// # Errors
    /// As [`Launcher::start`].
    pub(super) fn ask(&mut self, moment: Moment, launcher: Launcher<'_>) -> Result<(), Error> {
        self.asking = Some(Newcomer { client: launcher.start()?, moment });
        Ok(())
    }

    /// Whether the one that was started has got its bytes, or its time is over. `is_closed`: the first client is disconnected.
    ///
    /// # Errors
    /// As [`Launcher::start`].
    pub(super) fn is_answered(&mut self, launcher: Launcher<'_>, is_closed: bool) -> Result<bool, Error> {
        let limit = self.limit();
        let Some(mut asking) = self.asking.take() else { return Ok(true) };
        asking.client.look();
        self.has_replaced |= is_closed;
        let is_served = asking.client.connections.received() >= self.wanted;
        if !is_served && asking.client.age() < limit && asking.client.ended().is_none() {
            self.asking = Some(asking);
            return Ok(false);
        }
        self.longest = self.longest.max(asking.client.age().min(limit));
        match (asking.moment, &self.beside) {
            (Moment::During, _) => {
                // There may be two stalls.
                let during = is_served && self.during != Some(false);
                self.during = Some(during);
                self.serves_several = during.then_some(true);
            }
            (Moment::After, None) => {
                self.after = Some(is_served);
                if is_served && self.serves_several.is_none() {
                    self.beside = Some(asking.client);
                    self.ask(Moment::After, launcher)?;
                    return Ok(false);
                }
            }
            (Moment::After, Some(_)) => {
                self.serves_several = Some(is_served);
                self.beside = None;
            }
        }
        Ok(true)
    }

    /// Whether one of them may be the reason that the first client was disconnected.
    pub(super) fn may_replace(&self) -> bool {
        self.asking.is_some() || self.has_replaced
    }

    /// Whether the server serves several clients at a time.
    pub(super) fn serves_several(&self) -> bool {
        self.serves_several == Some(true)
    }

    /// What they got; `None` if it does not show whether the server serves others. `went_on`: the server sent more to the first
    /// client when that was thawed, so that it had not ended by itself what it sends to all of them.
    pub(super) fn evidence(&self, went_on: bool) -> Option<Bystanders> {
        let after = self.after.filter(|is_served| *is_served || went_on);
        let during =
            self.during.filter(|is_served| *is_served || (self.serves_several() && after == Some(true)));
        let service = Service {
            replies: u64::from(during == Some(true)),
            p99: None,
            longest: self.longest.as_secs_f64(),
            during,
            after,
            began: false,
            refused: false,
        };
        (during.is_some() || after.is_some()).then(|| Bystanders {
            calm: self.calm.as_secs_f64(),
            serves_several: self.serves_several(),
            limit: self.limit().as_secs_f64(),
            newcomer: Some(service),
            ..Bystanders::default()
        })
    }

    /// How long a newcomer waits: far longer than the first client did.
    fn limit(&self) -> Duration {
        (self.calm * CALM_WAITS).clamp(LIMIT, LONGEST_LIMIT)
    }
}

/// The least time for a newcomer, …
const LIMIT: Duration = Duration::from_secs(5);

/// … as a multiple of the time that the first client took, …
const CALM_WAITS: u32 = 20;

/// … and at most.
const LONGEST_LIMIT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    /// What was seen of the newcomers: during the stall, after it, and of two at a time.
    fn evidence(
        during: Option<bool>,
        after: Option<bool>,
        several: Option<bool>,
        went_on: bool,
    ) -> Option<(Option<bool>, Option<bool>)> {
        let flow = Flow { points: Vec::new(), wanted: 1, wanted_after: Duration::from_millis(10) };
        let newcomers = Newcomers { during, after, serves_several: several, ..Newcomers::after(&flow) };
        let newcomer = newcomers.evidence(went_on)?.newcomer.unwrap();
        Some((newcomer.during, newcomer.after))
    }

    #[test]
    fn a_server_that_recovers_and_serves_several_starves_others() {
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(evidence(yes, yes, yes, true), Some((yes, yes)));
        assert_eq!(evidence(no, yes, yes, true), Some((no, yes)));
        assert_eq!(evidence(no, yes, no, true), Some((None, yes)), "it serves one client at a time");
    }

    #[test]
    fn silence_after_the_attack_counts_if_the_first_client_goes_on() {
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(evidence(no, no, None, true), Some((None, no)));
        assert_eq!(evidence(no, no, None, false), None, "perhaps there is nothing more to send");
        assert_eq!(evidence(yes, no, yes, false), Some((yes, None)));
    }

    #[test]
    fn without_newcomers_nothing_is_known() {
        assert_eq!(evidence(None, None, None, true), None);
    }
}
