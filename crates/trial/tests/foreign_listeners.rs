//! Promise: a process that the command did not start is never taken for the command, and never signalled.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use echoctl_testkit::{Running, eventually};
use echoctl_trial::spawn::{Launch, ListenAt, SpawnError, Target};
use support::command::launch;

/// A foreign server at `addr`, which exits when it receives a byte. It runs as another user if this is possible and wanted.
fn outsider(addr: SocketAddr, uid: Option<u32>) -> Running {
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
    Running::start(&mut command)
}

/// A free address, whose port the kernel chose a moment ago.
fn free(ip: &str) -> Option<SocketAddr> {
    let listener = TcpListener::bind(format!("{ip}:0")).ok()?;
    listener.local_addr().ok()
}

/// Starts a command for `addr`, where a foreign process listens before the command does.
fn taken_over(addr: SocketAddr, uid: Option<u32>) -> SpawnError {
    let mut foreign = None;
    let stop = AtomicBool::new(false);
    let (folder, error) = std::thread::scope(|scope| {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let command = format!("touch {}; exec sleep 1000", ready.display());
        let launch = Launch { at: ListenAt::Given(addr.into()), ..launch(&["sh", "-c", &command]) };
        let target = scope.spawn(|| {
            let launch = launch;
            Target::start(&launch, &stop)
        });
        eventually("the command is ready", || ready.exists());
        foreign = Some(outsider(addr, uid));
        (folder, target.join().unwrap().unwrap_err())
    });
    drop(folder);
    assert!(foreign.unwrap().is_running(), "it received bytes or a signal");
    error
}

#[test]
fn a_foreign_process_that_listens_first_is_refused() {
    let error = taken_over(free("127.0.0.1").unwrap(), None);

    let SpawnError::ForeignListener { listener, .. } = &error else { panic!("{error}") };
    assert!(listener.pid.is_some() && listener.name.as_deref() == Some("perl"), "{error}");
}

#[test]
fn a_server_of_another_user_is_refused() {
    if std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap() != 0 {
        eprintln!("skipped: only root can start a server of another user");
        return;
    }
    let error = taken_over(free("127.0.0.1").unwrap(), Some(65534));

    let SpawnError::ForeignListener { listener, .. } = &error else { panic!("{error}") };
    assert_eq!(listener.uid, Some(65534));
    assert!(error.to_string().contains("user nobody"), "{error}");
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

    let launch = Launch { at: ListenAt::Given(addr.into()), ..launch(&["perl", "-e", &listens]) };
    let error = Target::start(&launch, &AtomicBool::new(false)).unwrap_err();

    assert!(matches!(error, SpawnError::ForeignListener { .. }), "{error}");
}
