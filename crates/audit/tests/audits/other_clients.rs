//! Promise: healthy clients ask before, during and after the attack, and the evidence tells which of them were served.
#![cfg(target_os = "linux")]

use std::sync::atomic::AtomicBool;

use echoctl_audit::{AuditConfig, AuditOutcome, Payload, Script, Step, Stimulus};
use echoctl_record::{Bystanders, DisconnectKind, Service, Verdict};

use crate::support::command::{attack, config, start};

/// How healthy clients of a server of the test program were served during an attack.
fn bystanders(role: &[&str]) -> Bystanders {
    let outcome = attack(&start(role)).unwrap();
    outcome.evidence.bystanders.unwrap_or_else(|| panic!("{role:?} has bystanders"))
}

/// Attacks a server of the test program with a script and some slow readers.
fn attack_with(role: &[&str], script: Script, connections: u32) -> AuditOutcome {
    let target = start(role);
    let config = AuditConfig { script, connections, ..config(&target) };
    config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap()
}

/// Whether a bystander was served in the stall and after the attack.
fn served(service: Option<Service>) -> (Option<bool>, Option<bool>) {
    let service = service.expect("this bystander takes part");
    (service.during, service.after)
}

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

#[test]
fn clients_behind_one_that_does_not_read_starve() {
    let bystanders = bystanders(&["blocking", "{port}"]);

    assert!(bystanders.serves_several && bystanders.calm < bystanders.limit, "{bystanders:?}");
    assert_eq!(served(bystanders.active), (NO, None));
    // They are served again when the slow reader has read and gone.
    assert_eq!((served(bystanders.idle), served(bystanders.newcomer)), ((NO, YES), (NO, YES)));
    assert!(bystanders.all().all(|service| service.longest >= bystanders.limit), "{bystanders:?}");
}

#[test]
fn clients_with_a_process_of_their_own_are_served() {
    let bystanders = bystanders(&["echo", "{port}"]);

    assert_eq!(served(bystanders.active), (YES, None));
    assert_eq!((served(bystanders.idle), served(bystanders.newcomer)), ((YES, YES), (YES, YES)));
    let active = bystanders.active.unwrap();
    assert!(active.replies >= 1 && active.p99.is_some_and(|p99| active.longest >= p99), "{active:?}");
}

#[test]
fn a_pool_starves_when_all_of_its_threads_wait() {
    let raw = || echoctl_audit::Preset::Raw.script("127.0.0.1");
    let one = attack_with(&["pool", "2", "{port}"], raw(), 1).evidence.bystanders.unwrap();
    let all = attack_with(&["pool", "2", "{port}"], raw(), 2).evidence.bystanders.unwrap();

    assert!(one.all().all(|service| service.during == YES), "{one:?}");
    assert!(all.all().all(|service| service.during == NO), "{all:?}");
}

#[test]
fn a_server_that_does_not_recover_serves_nobody_afterwards() {
    let bystanders = bystanders(&["leaking", "{port}"]);

    assert_eq!((served(bystanders.idle), served(bystanders.newcomer)), ((NO, NO), (NO, NO)));
}

#[test]
fn a_server_for_one_client_at_a_time_is_asked_afterwards() {
    // It never answers another client, attack or not, so the attack is not to blame.
    let bystanders = bystanders(&["serial", "{port}"]);

    assert!(!bystanders.serves_several, "{bystanders:?}");
    assert_eq!((bystanders.active, bystanders.idle), (None, None));
    assert_eq!(served(bystanders.newcomer), (None, YES));
}

#[test]
fn the_only_client_of_a_server_is_the_slow_reader() {
    let outcome = attack(&start(&["once", "{port}"])).unwrap();

    assert_eq!((outcome.evidence.bystanders, outcome.evidence.disconnect), (None, None));
    assert!(outcome.evidence.points.last().unwrap().server_read() > 1 << 20, "it was attacked");
}

#[test]
fn a_connection_that_the_server_has_closed_is_made_again() {
    let bystanders = bystanders(&["hasty", "{port}"]);

    assert_eq!((served(bystanders.active), served(bystanders.idle)), ((YES, None), (YES, YES)));
}

#[test]
fn a_server_that_exits_when_the_slow_reader_goes_has_crashed() {
    let outcome = attack_with(&["fragile", "{port}"], endless(), 1);

    let end = outcome.evidence.disconnect.expect("it exits");
    assert_eq!(end.kind, DisconnectKind::Crashed);
}

#[test]
fn a_long_reply_does_not_answer_the_next_question() {
    let outcome = attack_with(&["large", "{port}"], endless(), 1);

    let bystanders = outcome.evidence.bystanders.unwrap();
    assert!(bystanders.all().all(|service| service.during == YES), "{bystanders:?}");
    assert!(!outcome.evidence.echo);
}

#[test]
fn an_echo_is_recognised_and_a_chat_room_is_none() {
    let echo = attack_with(&["echo", "{port}"], endless(), 1);
    let chat = attack_with(&["chat", "{port}"], endless(), 1);

    assert!(echo.evidence.echo && !chat.evidence.echo);
    let drain = echo.evidence.drain.unwrap();
    assert_eq!((drain.stopped, drain.damaged_at), (echoctl_record::StopReason::Complete, None));
}

/// Requests that no script says to be echoed.
fn endless() -> Script {
    Script::new(Stimulus::repeat("requests", Payload::text("0123456789 abcdefghijklmnopqrstuvwxyz\n")))
}

/// A client that publishes, and a slow reader that gets all of it.
fn published() -> Script {
    Script::from_json(PUBLISHED).unwrap()
}

const PUBLISHED: &str = r#"{"publisher":{},"stimulus":{"repeat":[{"fill":"x","count":1023},{"text":"\n"}]}}"#;

#[test]
fn subscribers_behind_one_that_does_not_read_starve() {
    let bystanders = attack_with(&["chat", "{port}"], published(), 1).evidence.bystanders.unwrap();

    assert_eq!(served(bystanders.subscriber), (NO, None));
}

#[test]
fn a_subscriber_is_served_where_the_slow_one_is_skipped() {
    let bystanders = attack_with(&["loose-chat", "{port}"], published(), 1).evidence.bystanders.unwrap();

    assert_eq!(served(bystanders.subscriber), (YES, None));
}

#[test]
fn subscribers_starve_although_questions_are_answered() {
    // The client that asks is not one of those that the publisher's connection waits for.
    let ask = r#""bystander":{"send":[{"text":"?\n"}],"expect":[{"text":"!"}]},"#;
    let script = Script::from_json(&PUBLISHED.replacen('{', &format!("{{{ask}"), 1)).unwrap();

    let outcome = attack_with(&["chat-with-answers", "{port}"], script, 1);

    let bystanders = outcome.evidence.bystanders.unwrap();
    assert_eq!((served(bystanders.newcomer), served(bystanders.subscriber)), ((YES, YES), (NO, None)));
    assert_eq!(outcome.judgement.verdict, Verdict::Starves);
}

#[test]
fn a_subscriber_does_not_take_the_slow_readers_place() {
    let outcome = attack_with(&["same-client", "{port}"], published(), 1);

    assert_eq!((outcome.evidence.bystanders, outcome.evidence.disconnect), (None, None));
}

#[test]
fn a_newcomer_asks_before_the_slow_reader_is_given_up() {
    // By the time at which the stall has been watched for long enough, this server has given it up.
    let bystanders = attack_with(&["late", "{port}"], once(), 1).evidence.bystanders.unwrap();

    assert_eq!(served(bystanders.newcomer), (NO, YES));
}

/// One request.
fn once() -> Script {
    Script::new(Stimulus::once("request", Payload::text("GET /\r\n\r\n")))
}

#[test]
fn the_head_of_a_stream_that_is_held_up_is_no_service() {
    let outcome = attack_with(&["hub", "{port}"], once(), 1);

    let newcomer = outcome.evidence.bystanders.unwrap().newcomer.unwrap();
    assert_eq!((newcomer.during, newcomer.after, newcomer.began), (NO, YES, true));
    assert_eq!(outcome.judgement.verdict, Verdict::Starves);
}

#[test]
fn a_stream_that_begins_after_a_setup_is_asked_for_as_well() {
    // A bystander that sends what the slow reader sends once begins a stream of its own on each connection.
    let subscribe = || Payload::text("SUBSCRIBE\r\n");
    let step = |send| Step { send: Some(send), expect: None };
    let script = Script {
        setup: vec![step(Payload::text("GET /\r\n\r\n"))],
        bystander: Some(step(subscribe())),
        ..Script::new(Stimulus::once("subscription", subscribe()))
    };

    let outcome = attack_with(&["feed", "bounded", "{port}"], script, 1);

    let bystanders = outcome.evidence.bystanders.unwrap();
    assert_eq!((bystanders.active, bystanders.idle), (None, None), "a question per connection");
    assert_eq!(served(bystanders.newcomer), (YES, YES));
}

#[test]
fn an_error_in_place_of_the_usual_reply_is_no_service() {
    let outcome = attack_with(&["shedding", "{port}"], once(), 1);

    let newcomer = outcome.evidence.bystanders.unwrap().newcomer.unwrap();
    assert_eq!((newcomer.during, newcomer.after, newcomer.refused), (NO, YES, true));
    assert_eq!(outcome.judgement.verdict, Verdict::Starves);
    let reason = outcome.judgement.reason;
    assert!(reason.ends_with("other clients got no reply but errors within 5.0 s: a new one"), "{reason}");
}

#[test]
fn a_stream_of_its_own_goes_on_for_a_newcomer() {
    let outcome = attack_with(&["feed", "bounded", "{port}"], once(), 1);

    let newcomer = outcome.evidence.bystanders.unwrap().newcomer.unwrap();
    assert_eq!((newcomer.during, newcomer.after, newcomer.began), (YES, YES, false));
}
