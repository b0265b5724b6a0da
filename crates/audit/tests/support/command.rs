//! Servers in processes of their own, and waiting with a deadline.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use echoctl_audit::{AuditConfig, AuditOutcome, Error, Permitted, Preset};
use echoctl_trial::spawn::{Launch, Target};

/// The program with the servers (`server.rs` beside this file).
pub(crate) const SERVER: &str = env!("CARGO_BIN_EXE_audit-test-server");

/// The longest wait.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// How a command is started.
pub(crate) fn launch(command: &[&str]) -> Launch {
    Launch {
        command: command.iter().map(Into::into).collect(),
        addr: None,
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

/// Attacks a target, and only it, with bytes without framing.
pub(crate) fn attack(target: &Target) -> Result<AuditOutcome, Error> {
    let config = AuditConfig {
        pids: target.roots(),
        permitted: Permitted::Target(target.descendants()),
        is_fresh: true,
        ..AuditConfig::new(target.addr(), Preset::Raw.script("127.0.0.1"))
    };
    config.attack(&AtomicBool::new(false), &mut |_| {})
}

/// A server of the test program that no target knows.
pub(crate) struct Outsider(Child);

impl Outsider {
    pub(crate) fn start(role: &[&str]) -> Outsider {
        Outsider(Command::new(SERVER).args(role).stdin(Stdio::null()).spawn().unwrap())
    }

    /// Checks that it has not exited, as a trap does when it receives a byte.
    #[track_caller]
    pub(crate) fn is_unharmed(&mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "it received bytes or a signal");
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn wait_until_listening(addr: SocketAddr) {
    wait_until(|| echoctl_observe::listener_at(addr).is_ok());
}

#[track_caller]
pub(crate) fn wait_until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "not true within {TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
