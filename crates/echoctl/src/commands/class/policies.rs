//! The policies that the switch of the page offers.

use std::time::Duration;

use echoctl_record::PolicyChoice;
use echoctl_server::{Config, Policy};

/// What the switch offers, in its order: from no backpressure to the ways of having it.
const OFFERED: [Policy; 5] = [
    Policy::Off,
    Policy::Await,
    Policy::Bounded { limit: Config::QUEUE_LIMIT },
    Policy::Drop { limit: Config::QUEUE_LIMIT },
    Policy::Disconnect { limit: Config::QUEUE_LIMIT, grace: Duration::ZERO },
];

/// The names and limits of what the switch offers.
pub(super) fn choices() -> Vec<PolicyChoice> {
    let choice = |policy: Policy| PolicyChoice {
        name: policy.name().to_owned(),
        queue_limit: policy.limit().map(|limit| limit as u64),
    };
    OFFERED.map(choice).into()
}

/// The policy of this name, with its usual limit or another one; `None` if the switch does not offer it.
pub(super) fn find(name: &str, queue_limit: Option<u64>) -> Option<Policy> {
    let policy = OFFERED.into_iter().find(|policy| policy.name() == name)?;
    Some(queue_limit.map_or(policy, |limit| with_limit(policy, limit)))
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
        for choice in choices() {
            let policy = find(&choice.name, None).expect("it is offered");

            assert_eq!(policy.limit().map(|limit| limit as u64), choice.queue_limit);
            let limited = find(&choice.name, Some(4096)).unwrap();
            assert_eq!(limited.limit(), choice.queue_limit.map(|_| 4096));
        }
        assert_eq!(find("perhaps", None), None);
    }
}
