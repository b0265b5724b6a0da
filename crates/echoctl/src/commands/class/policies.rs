//! The policies that the switch of the page offers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use echoctl_record::PolicyChoice;
use echoctl_server::{Config, Policy};

/// What the switch offers. Clones share the limit.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    /// Limit of the reply queue where a command names none.
    queue_limit: Arc<AtomicUsize>,
}

impl Offer {
    pub(super) fn new(queue_limit: usize) -> Offer {
        Offer { queue_limit: Arc::new(AtomicUsize::new(queue_limit)) }
    }

    /// Offers each policy with another limit from now on.
    pub(super) fn set_queue_limit(&self, limit: usize) {
        self.queue_limit.store(limit, Ordering::Relaxed);
    }

    /// The policies in the order of the switch: from no backpressure to the ways of having it.
    fn policies(&self) -> [Policy; 5] {
        let limit = self.queue_limit.load(Ordering::Relaxed);
        [
            Policy::Off,
            Policy::Await,
            Policy::Bounded { limit },
            Policy::Drop { limit },
            Policy::Disconnect { limit, grace: Duration::ZERO },
        ]
    }

    /// Their names and limits.
    pub(super) fn choices(&self) -> Vec<PolicyChoice> {
        let choice = |policy: Policy| PolicyChoice {
            name: policy.name().to_owned(),
            queue_limit: policy.limit().map(|limit| limit as u64),
        };
        self.policies().map(choice).into()
    }

    /// The policy of this name, with the usual limit or another one; `None` if the switch does not offer it.
    pub(super) fn find(&self, name: &str, queue_limit: Option<u64>) -> Option<Policy> {
        let policy = self.policies().into_iter().find(|policy| policy.name() == name)?;
        Some(queue_limit.map_or(policy, |limit| with_limit(policy, limit)))
    }
}

impl Default for Offer {
    fn default() -> Offer {
        Offer::new(Config::QUEUE_LIMIT)
    }
}

/// The same policy with another limit of the queue; unchanged if it has none.
pub(super) fn with_limit(policy: Policy, limit: u64) -> Policy {
    // One that exceeds the address space exceeds every limit too.
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    match policy {
        Policy::Await => Policy::Await,
        Policy::Off => Policy::Off,
        Policy::Bounded { .. } => Policy::Bounded { limit },
        Policy::Watermark { .. } => Policy::Watermark { limit, resume_at: limit / 4 },
        Policy::Drop { .. } => Policy::Drop { limit },
        Policy::Disconnect { grace, .. } => Policy::Disconnect { limit, grace },
        Policy::Budget { .. } => Policy::Budget { limit },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_is_found_by_its_name() {
        let offer = Offer::new(8192);
        for choice in offer.choices() {
            let policy = offer.find(&choice.name, None).expect("it is offered");

            assert_eq!(policy.limit().map(|limit| limit as u64), choice.queue_limit);
            assert!(policy.limit().is_none_or(|limit| limit == 8192), "{policy}");
            let limited = offer.find(&choice.name, Some(4096)).unwrap();
            assert_eq!(limited.limit(), choice.queue_limit.map(|_| 4096));
        }
        assert_eq!(offer.find("perhaps", None), None);
    }
}
