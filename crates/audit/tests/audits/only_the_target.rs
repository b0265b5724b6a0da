//! Promise: a target is attacked with all its processes, and a process that is not part of it gets nothing.
#![cfg(target_os = "linux")]

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicBool;

use echoctl_audit::{AuditConfig, Error, Payload, Permitted, Preset, Step};
use echoctl_record::Verdict;
use echoctl_testkit::eventually;
use echoctl_trial::spawn::{Launch, ListenAt, Target};
use echoctl_verdict::audit::figures;

use crate::support::command::{
    SERVER, assert_nothing_reaches, attack, launch, outsider, start, wait_until_listening,
};

#[test]
fn a_server_with_a_process_per_connection_is_bounded() {
    let target = start(&["echo", "{port}"]);

    let outcome = attack(&target).unwrap();

    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
    assert!(outcome.sees_memory && figures(&outcome.evidence).lost == Some(0));
}

#[test]
fn an_unanswered_step_is_named_with_what_arrived() {
    let target = start(&["echo", "{port}"]);
    let mut script = Preset::Raw.script("127.0.0.1");
    script.setup = vec![Step::ask(Payload::text("GET"), Payload::text("welcome"))];

    let config = AuditConfig::new(target.addr().clone(), script);
    let error = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap_err().to_string();

    assert!(
        error.contains("setup, step 1") && error.contains("\"welcome\"") && error.contains("\"GET\""),
        "{error}"
    );
}

#[test]
fn a_foreign_listener_at_another_address_is_ignored() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this host has no IPv6");
        return;
    }
    // The server writes its port to a file, so that the foreign one listens at [::1] before it listens at 127.0.0.1.
    let folder = tempfile::tempdir().unwrap();
    let [port, go] = ["port", "go"].map(|name| folder.path().join(name));
    let command = [SERVER, "echo-after", folder.path().to_str().unwrap(), "{port}"];
    let stop = AtomicBool::new(false);
    let (target, mut outsider) = std::thread::scope(|scope| {
        let target = scope.spawn(|| Target::start(&launch(&command), &stop));
        eventually("the command writes its port", || port.exists());
        let port: u16 = std::fs::read_to_string(&port).unwrap().parse().unwrap();
        let addr = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port));
        let outsider = outsider(&["trap", &addr.to_string()]);
        wait_until_listening(addr);
        std::fs::write(&go, "").unwrap();
        (target.join().unwrap().unwrap(), outsider)
    });

    let outcome = attack(&target).unwrap();

    assert!(target.addr().tcp().unwrap().is_ipv4(), "the command listens at 127.0.0.1");
    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
    assert!(outsider.is_running(), "it received bytes or a signal");
}

#[test]
fn a_process_that_takes_over_the_address_gets_nothing() {
    let target = start(&["echo", "{port}"]);
    let (addr, descendants) = (target.addr().tcp().unwrap(), target.descendants());
    drop(target);
    let successor = outsider(&["trap", &addr.to_string()]);
    wait_until_listening(addr);

    assert_nothing_reaches(successor, descendants, addr.into());
}

#[test]
fn a_foreign_listener_on_the_same_port_is_refused() {
    // Two sockets at one address (SO_REUSEPORT): the kernel chooses which one gets a connection.
    let own = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    own.set_reuse_port(true).unwrap();
    own.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = own.local_addr().unwrap().as_socket().unwrap();
    let shares = format!(
        "use Socket; socket(my $l, PF_INET, SOCK_STREAM, 0); setsockopt($l, SOL_SOCKET, SO_REUSEPORT, 1); \
         bind($l, sockaddr_in({}, inet_aton(\"127.0.0.1\"))) or die; listen($l, 9); sleep 1000",
        addr.port()
    );
    let launch = Launch { at: ListenAt::Given(addr.into()), ..launch(&["perl", "-e", &shares]) };
    let target = Target::start(&launch, &AtomicBool::new(false)).unwrap();
    own.listen(9).unwrap();

    let error = attack(&target).unwrap_err();

    let Error::ListenerChanged(listener) = &error else { panic!("{error}") };
    assert_eq!(listener.pid, Some(std::process::id()));
}

#[test]
fn only_servers_of_the_permitted_user_are_attacked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = AuditConfig {
        permitted: Permitted::User(4_000_000_000),
        ..AuditConfig::new(listener.local_addr().unwrap(), Preset::Raw.script("127.0.0.1"))
    };

    let error = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap_err();

    assert!(matches!(error, Error::ListenerChanged(_)), "{error}");
}
