//! The keys of `serve` that change the backpressure policy while it runs: one digit for each policy.

use echoctl_server::{Config, Control, Policy, Stats};

use crate::output::Styled;

/// The keys, and the policy that they have chosen.
#[derive(Debug)]
pub(super) struct Switch {
    control: Control,
    /// Policies that this server can have, each with its key.
    choices: Vec<(char, Policy)>,
}

/// A change of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) from: Policy,
    pub(super) to: Policy,
}

impl Switch {
    /// Keys for those of `policies` that a server with this configuration can have; none if there is only one.
    pub(super) fn new(control: Control, config: &Config, policies: &[Policy]) -> Switch {
        let is_possible = |policy: &Policy| Config { policy: *policy, ..config.clone() }.check().is_ok();
        let keys = ('1'..='9').zip(policies.iter().copied());
        let mut choices: Vec<_> = keys.filter(|(_, policy)| is_possible(policy)).collect();
        if choices.len() < 2 {
            choices.clear();
        }
        Switch { control, choices }
    }

    /// The policy now.
    pub(super) fn policy(&self) -> Policy {
        self.control.policy()
    }

    /// The server's state now.
    pub(super) fn stats(&self) -> Stats {
        self.control.stats()
    }

    /// Changes the policy to that of a key. `None` if it has none, or the policy is this one already.
    pub(super) fn press(&self, key: char) -> Option<Change> {
        let (_, to) = *self.choices.iter().find(|(of, _)| *of == key)?;
        let from = self.policy();
        // It was checked for this server.
        (from != to && self.control.set_policy(to).is_ok()).then_some(Change { from, to })
    }

    /// The keys in at most `columns`, with a star before the policy now.
    pub(super) fn line(&self, columns: usize) -> Styled {
        let now = self.policy();
        let mut text = String::from(QUIT);
        for (key, policy) in &self.choices {
            text += if *policy == now { " *" } else { "  " };
            text += &format!("{key} {policy}");
        }
        if text.chars().count() > columns {
            text = format!("{QUIT}  1-7 policy *{now}");
        }
        Styled::weak(text)
    }
}

/// The key that is not about the policy.
const QUIT: &str = "q quits";
