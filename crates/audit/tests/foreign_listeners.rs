//! Promise: a process that the command did not start is never attacked in its place, and never signalled.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use echoctl_audit::{AuditConfig, Error, Launch, Permitted, Preset, Target};
use echoctl_record::Verdict;
use support::command::{ECHO, launch, start, wait_until};

/// A foreign server, which exits when it receives a byte.
struct Outsider(Child);

impl Outsider {
    /// Listens at `addr`, as another user if this is possible and wanted.
    fn at(addr: SocketAddr, uid: Option<u32>) -> Outsider {
        let program = format!(
            "use IO::Socket::IP; my $l = IO::Socket::IP->new(LocalAddr => \"{}\", LocalPort => {}, Listen => 9, \
             V6Only => 1, ReuseAddr => 1) or die $!; while (my $c = $l->accept) {{ exit 7 if sysread($c, my $b, 1) }}",
            addr.ip(),
            addr.port()
        );
        let mut command = Command::new("perl");
        command.args(["-e", &program]).stdin(Stdio::null()).current_dir("/");
        if let Some(uid) = uid {
            command.uid(uid);
        }
        Outsider(command.spawn().unwrap())
    }

    #[track_caller]
    fn is_unharmed(&mut self) {
        assert_eq!(self.0.try_wait().unwrap(), None, "it received bytes or a signal");
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A free address, whose port the kernel chose a moment ago.
fn free(ip: &str) -> Option<SocketAddr> {
    let listener = TcpListener::bind(format!("{ip}:0")).ok()?;
    listener.local_addr().ok()
}

fn is_listening(addr: SocketAddr) -> bool {
    echoctl_observe::listener_at(addr).is_ok()
}

/// Starts to listen at `addr` once the command has started, and audits the command there.
fn taken_over(addr: SocketAddr, uid: Option<u32>) -> Error {
    let mut outsider = None;
    let stop = AtomicBool::new(false);
    let (folder, error) = std::thread::scope(|scope| {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let command = format!("touch {}; exec sleep 1000", ready.display());
        let launch = Launch { addr: Some(addr), ..launch(&["sh", "-c", &command]) };
        let target = scope.spawn(|| {
            let launch = launch;
            Target::start(&launch, &stop)
        });
        wait_until(|| ready.exists());
        outsider = Some(Outsider::at(addr, uid));
        (folder, target.join().unwrap().unwrap_err())
    });
    drop(folder);
    outsider.unwrap().is_unharmed();
    error
}

#[test]
fn a_foreign_process_that_listens_first_is_refused() {
    let error = taken_over(free("127.0.0.1").unwrap(), None);

    let Error::ForeignListener { listener, .. } = &error else { panic!("{error}") };
    assert!(listener.pid.is_some() && listener.name.as_deref() == Some("perl"), "{error}");
    assert!(error.is_unreachable());
}

#[test]
fn a_server_of_another_user_is_refused() {
    if std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap() != 0 {
        eprintln!("skipped: only root can start a server of another user");
        return;
    }
    let error = taken_over(free("127.0.0.1").unwrap(), Some(65534));

    let Error::ForeignListener { listener, .. } = &error else { panic!("{error}") };
    assert_eq!(listener.uid, 65534);
    assert!(error.to_string().contains("user nobody"), "{error}");
}

#[test]
fn a_foreign_listener_at_another_address_is_ignored() {
    if free("::1").is_none() {
        eprintln!("skipped: this host has no IPv6");
        return;
    }
    // The command prints its port, so that the foreign server listens at [::1] before the command listens at 127.0.0.1.
    let folder = tempfile::tempdir().unwrap();
    let [port, go] = ["port", "go"].map(|name| folder.path().join(name));
    let command = format!(
        "echo $PORT > {port}.new; mv {port}.new {port}; while ! [ -e {go} ]; do sleep 0.01; done; exec perl -e '{ECHO}'",
        port = port.display(),
        go = go.display()
    );
    let stop = AtomicBool::new(false);
    let (target, mut outsider) = std::thread::scope(|scope| {
        let target = scope.spawn(|| Target::start(&launch(&["sh", "-c", &command]), &stop));
        wait_until(|| port.exists());
        let port: u16 = std::fs::read_to_string(&port).unwrap().trim().parse().unwrap();
        let addr = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port));
        let outsider = Outsider::at(addr, None);
        wait_until(|| is_listening(addr));
        std::fs::write(&go, "").unwrap();
        (target.join().unwrap().unwrap(), outsider)
    });

    assert!(target.addr().is_ipv4(), "the command listens at 127.0.0.1");
    let config = AuditConfig {
        pids: target.roots(),
        permitted: target.permitted(),
        is_fresh: true,
        ..AuditConfig::new(target.addr(), Preset::Raw.script("127.0.0.1"))
    };
    let outcome = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap();
    drop(target);

    assert_eq!(outcome.judgement.verdict, Verdict::Bounded, "{}", outcome.judgement.reason);
    outsider.is_unharmed();
}

#[test]
fn a_process_that_takes_over_the_address_gets_nothing() {
    let target = start(&["perl", "-e", ECHO]).unwrap();
    let (addr, permitted) = (target.addr(), target.permitted());
    drop(target);
    let mut outsider = Outsider::at(addr, None);
    wait_until(|| is_listening(addr));

    let config = AuditConfig { permitted, ..AuditConfig::new(addr, Preset::Raw.script("127.0.0.1")) };
    let error = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap_err();

    assert!(matches!(error, Error::ListenerChanged(_)), "{error}");
    outsider.is_unharmed();
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
    let launch = Launch { addr: Some(addr), ..launch(&["perl", "-e", &shares]) };
    let target = Target::start(&launch, &AtomicBool::new(false)).unwrap();
    own.listen(9).unwrap();

    let config = AuditConfig {
        permitted: target.permitted(),
        ..AuditConfig::new(addr, Preset::Raw.script("127.0.0.1"))
    };
    let error = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap_err();

    let Error::ListenerChanged(listener) = &error else { panic!("{error}") };
    assert_eq!(listener.pid, Some(std::process::id()));
}

#[test]
fn a_socket_shared_with_another_process_is_refused() {
    // As with socket activation: the command inherits a socket that is also open in this process.
    let own = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    own.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    own.set_cloexec(false).unwrap();
    let addr = own.local_addr().unwrap().as_socket().unwrap();
    let listens =
        format!("open(my $l, \"+<&=\", {}) or die; listen($l, 9) or die; sleep 1000", own.as_raw_fd());

    let launch = Launch { addr: Some(addr), ..launch(&["perl", "-e", &listens]) };
    let error = Target::start(&launch, &AtomicBool::new(false)).unwrap_err();

    assert!(matches!(error, Error::ForeignListener { .. }), "{error}");
}

#[test]
fn only_servers_of_the_permitted_user_are_attacked() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let config = AuditConfig {
        permitted: Permitted::User(4_000_000_000),
        max_duration: Duration::from_secs(1),
        ..AuditConfig::new(addr, Preset::Raw.script("127.0.0.1"))
    };

    let error = config.attack(&AtomicBool::new(false), &mut |_| {}).unwrap_err();

    assert!(matches!(error, Error::ListenerChanged(_)), "{error}");
}
