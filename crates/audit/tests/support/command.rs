//! Servers in processes of their own.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use echoctl_audit::{AuditConfig, AuditOutcome, Error, Permitted, Preset};
use echoctl_observe::ServerAddr;
use echoctl_testkit::{Running, eventually};
use echoctl_trial::spawn::{Descendants, Launch, ListenAt, Target};

/// The program with the servers (`server.rs` beside this file).
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_audit-test-server");

/// The longest wait.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// How a command is started.
pub(crate) fn launch(command: &[&str]) -> Launch {
    Launch {
        command: command.iter().map(Into::into).collect(),
        at: ListenAt::FreePort,
        ready_timeout: TIMEOUT,
        supervisor: vec![SERVER.into(), "supervise".into()],
        // Other tests of this process have children, too.
        owns_orphans: false,
    }
}

/// Starts a server of the test program, and waits until it listens.
pub(crate) fn start(role: &[&str]) -> Target {
    Target::start(&launch(&[&[SERVER], role].concat()), &AtomicBool::new(false)).unwrap()
}

/// An attack on a target, and only on it, with bytes without framing.
pub(crate) fn config(target: &Target) -> AuditConfig {
    AuditConfig {
        pids: target.roots(),
        permitted: Permitted::Target(target.descendants()),
        is_fresh: true,
        ..AuditConfig::new(target.addr().clone(), Preset::Raw.script("127.0.0.1"))
    }
}

/// Attacks a target with the default settings.
pub(crate) fn attack(target: &Target) -> Result<AuditOutcome, Error> {
    config(target).attack(&AtomicBool::new(false), &mut |_| {})
}

/// Attacks a target, of which these are the processes, at an address that `successor` has taken over, and checks that it gets nothing.
#[track_caller]
pub(crate) fn assert_nothing_reaches(mut successor: Running, target: Descendants, addr: ServerAddr) {
    let config = AuditConfig {
        permitted: Permitted::Target(target),
        ..AuditConfig::new(addr, Preset::Raw.script("127.0.0.1"))
    };
    let error = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap_err();

    assert!(matches!(error, Error::ListenerChanged(_)), "{error}");
    assert!(successor.is_running(), "it received bytes or a signal");
}

/// Starts a server of the test program that no target knows. A trap exits when it receives a byte.
pub(crate) fn outsider(role: &[&str]) -> Running {
    Running::start(Command::new(SERVER).args(role).stdin(Stdio::null()))
}

/// Waits until a server listens at an address.
#[track_caller]
pub(crate) fn wait_until_listening(addr: SocketAddr) {
    eventually("a server listens", || echoctl_observe::listener_at(&addr.into()));
}
