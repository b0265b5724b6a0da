//! Promise: an audit times a healthy client meanwhile, and says whether one client that does not read delays it.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod support;

use echoctl_record::Verdict;
use support::command::{attack, start};

#[test]
fn a_client_behind_one_that_does_not_read_starves() {
    let target = start(&["blocking", "{port}"]);

    let outcome = attack(&target).unwrap();

    let bystander = outcome.bystander.unwrap();
    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
    assert!(bystander.is_starved(), "{bystander:?}");
    assert!(bystander.replies >= 1 && bystander.longest >= bystander.p99, "{bystander:?}");
}

#[test]
fn a_client_with_a_process_of_its_own_is_served() {
    let target = start(&["echo", "{port}"]);

    let bystander = attack(&target).unwrap().bystander.unwrap();

    assert!(!bystander.is_starved(), "{bystander:?}");
}

#[test]
fn a_server_for_one_client_at_a_time_has_no_bystander() {
    // It never answers another client, attack or not, so the attack is not to blame.
    let target = start(&["serial", "{port}"]);

    let outcome = attack(&target).unwrap();

    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
    assert_eq!(outcome.bystander, None);
}
