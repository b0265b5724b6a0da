//! Promise: a server is judged by what it does with a client of any kind that is frozen, and where the client did not receive
//! anything, what it did instead is reported.
#![cfg(target_os = "linux")]

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use echoctl_audit::{AuditConfig, AuditOutcome, ClientFailure, Error, FreezeAfter, FrozenClient};
use echoctl_record::{DisconnectKind, StallKind, Verdict};
use echoctl_testkit::{eventually, is_suspended, signal};
use echoctl_trial::spawn::{ClientLaunch, Target};

use crate::support::command::{SERVER, config, start};

/// Attacks a server that sends in this manner, with a client.
fn attack(manner: &str, client: &str, freeze_after: FreezeAfter) -> Result<AuditOutcome, Error> {
    attack_target(&start(&["feed", manner, "{port}"]), client, freeze_after)
}

fn attack_target(target: &Target, client: &str, freeze_after: FreezeAfter) -> Result<AuditOutcome, Error> {
    let config = AuditConfig { max_duration: Duration::from_secs(6), ..config(target) };
    let launch = ClientLaunch {
        command: client.replace("CLIENT", SERVER).parse().unwrap(),
        supervisor: vec![SERVER.into(), "supervise".into()],
    };
    config.attack_with(&FrozenClient { launch, freeze_after }, &AtomicBool::new(false), &mut |_| {})
}

const RECEIVE: &str = "CLIENT receive {addr}";

/// Why a client could not be frozen.
#[track_caller]
fn failure(manner: &str, client: &str, freeze_after: FreezeAfter) -> ClientFailure {
    match attack(manner, client, freeze_after) {
        Err(Error::Client(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_waits_for_a_frozen_client_is_bounded() {
    for client in [RECEIVE, "CLIENT receive-twice {addr}", "sleep 1000 | CLIENT receive 127.0.0.1:$PORT"] {
        let outcome = attack("bounded", client, FreezeAfter::Flow).unwrap();

        let evidence = &outcome.evidence;
        assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{client}: {}", outcome.judgement.reason);
        assert_eq!(evidence.stall, Some(StallKind::Client));
        let newcomer = evidence.bystanders.unwrap().newcomer.unwrap();
        assert_eq!((newcomer.during, newcomer.after), (Some(true), Some(true)));
        let before = evidence.points.iter().filter(|point| point.sample.t < evidence.reads_until);
        assert!(before.count() > 3, "the flow before the freeze is a part of the evidence");
        assert!(evidence.drain.as_ref().unwrap().bytes > evidence.kernel_buffering / 4);
        let connections = if client.contains("twice") { 2 } else { 1 };
        assert_eq!(evidence.points.last().unwrap().sample.connections, connections);
    }
}

#[test]
fn a_server_that_does_not_wait_is_unbounded() {
    let outcome = attack("unbounded", RECEIVE, FreezeAfter::Bytes(8 << 20)).unwrap();

    assert_eq!(outcome.judgement.verdict, Verdict::Unbounded, "{}", outcome.judgement.reason);
}

#[test]
fn a_server_that_disconnects_a_frozen_client_defends_itself() {
    let outcome = attack("impatient", RECEIVE, FreezeAfter::Flow).unwrap();

    assert_eq!(outcome.judgement.verdict, Verdict::Disconnects, "{}", outcome.judgement.reason);
    assert_ne!(outcome.evidence.disconnect.unwrap().kind, DisconnectKind::Crashed);
    assert_eq!(outcome.evidence.control.unwrap().disconnected_at, None);
}

#[test]
fn a_server_that_waits_for_one_client_of_all_starves_the_others() {
    let outcome = attack("to-all", RECEIVE, FreezeAfter::Flow).unwrap();

    assert_eq!(outcome.judgement.verdict, Verdict::Starves, "{}", outcome.judgement.reason);
}

#[test]
fn what_a_client_did_instead_is_reported() {
    let flow = FreezeAfter::Flow;

    let exited = failure("bounded", "echo no such option 1>&2; exit 3", flow);
    assert!(matches!(&exited, ClientFailure::ReceivedNothing { how, .. } if how == "exit status: 3"));
    assert!(exited.to_string().ends_with("its last output:\nno such option") && exited.is_unreachable());

    let greeted = failure("greeting", RECEIVE, flow);
    assert!(matches!(greeted, ClientFailure::NothingFlows { received: 5, .. }), "{greeted}");

    let finished = failure("brief", RECEIVE, flow);
    assert!(matches!(finished, ClientFailure::Finished { received: 102_400.., .. }), "{finished}");
}

#[test]
fn a_client_that_is_killed_while_it_is_frozen_is_no_disconnect() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let command = format!("echo $$ > {}; exec {RECEIVE}", file.display());
    let pid = || std::fs::read_to_string(&file).ok()?.trim().parse().ok();

    let error = thread::scope(|scope| {
        let attack = scope.spawn(|| attack("bounded", &command, FreezeAfter::Flow).unwrap_err());
        eventually("the client is frozen", || pid().is_some_and(is_suspended));
        signal(pid().unwrap(), "KILL");
        attack.join().unwrap()
    });

    assert!(matches!(error, Error::Client(ClientFailure::Killed { .. })), "{error}");
}
