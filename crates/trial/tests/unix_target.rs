//! Promise: a target on a Unix-domain socket is ready when a process of its own listens there, and nothing is deleted that was not
//! made for it.
#![cfg(target_os = "linux")]
#![cfg(test)]

mod support;

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use echoctl_observe::ServerAddr;
use echoctl_testkit::eventually;
use echoctl_trial::spawn::{Launch, ListenAt, Listeners, SocketPathError, SpawnError, Target};
use support::command::launch;

/// An echo server on the socket `$ARGV[0]`, or else `$SOCKET`, which forks for each connection.
const ECHO: &str = "use Socket; my $at = $ARGV[0] || $ENV{SOCKET}; $at =~ s/^@/\\0/; \
    socket(my $l, PF_UNIX, SOCK_STREAM, 0); bind($l, pack(\"S a*\", PF_UNIX, $at)) or die $!; listen($l, 9) or die; \
    while (accept(my $c, $l)) { next if fork; while (sysread($c, my $b, 65536)) { my $o = 0; \
    while ($o < length $b) { $o += syswrite($c, $b, length($b) - $o, $o) or exit } } exit }";

fn at(path: &Path) -> ListenAt {
    ListenAt::Given(ServerAddr::Unix(path.to_owned()))
}

fn start(at: ListenAt, command: &[&str]) -> Result<Target, SpawnError> {
    Target::start(&Launch { at, ..launch(command) }, &AtomicBool::new(false))
}

fn path(target: &Target) -> PathBuf {
    let ServerAddr::Unix(path) = target.addr() else { panic!("{:?}", target.addr()) };
    path.clone()
}

fn echoes(path: &Path) {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn the_command_gets_its_path_in_a_new_folder() {
    for command in [&["perl", "-e", ECHO][..], &["env", "-u", "SOCKET", "perl", "-e", ECHO, "{socket}"]] {
        let target = start(ListenAt::FreePath, command).unwrap();
        let path = path(&target);
        echoes(&path);
        let leader = target.roots()[0];
        assert!(
            Listeners::open().unwrap().owners(target.addr(), target.descendants()).unwrap().contains(&leader)
        );

        drop(target);

        assert!(!path.parent().unwrap().exists(), "the folder was made for it");
    }
}

#[test]
fn a_socket_at_a_given_path_is_left_there() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");

    let target = start(at(&socket), &["perl", "-e", ECHO]).unwrap();
    echoes(&socket);
    drop(target);

    assert!(socket.exists(), "the server made it");
    let again = start(at(&socket), &["perl", "-e", ECHO]).unwrap_err();
    assert!(matches!(again, SpawnError::SocketPath { problem: SocketPathError::Stale, .. }), "{again}");
    assert!(socket.exists(), "the server made it");
}

#[test]
fn an_abstract_name_needs_no_file() {
    let addr = ServerAddr::unix(format!("@echoctl-target-{}", std::process::id()).as_ref());

    let target = start(ListenAt::Given(addr.clone()), &["perl", "-e", ECHO]).unwrap();

    assert_eq!(target.addr(), &addr);
}

#[test]
fn a_folder_that_does_not_exist_is_named() {
    let folder = tempfile::tempdir().unwrap();

    let error = start(at(&folder.path().join("no/socket")), &["true"]).unwrap_err().to_string();

    let missing = folder.path().join("no");
    let expected =
        format!("cannot start the command on unix:{0}/socket: there is no folder {0}", missing.display());
    assert_eq!(error, expected);
}

#[test]
fn a_path_that_is_in_use_is_refused_before_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _taken = UnixListener::bind(&socket).unwrap();

    let refused = start(at(&socket), &["true"]);

    let Err(SpawnError::AddrInUse { listener: Some(listener), .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(listener.pid, Some(std::process::id()));
}

#[test]
fn a_command_that_listens_elsewhere_is_told_where() {
    let folder = tempfile::tempdir().unwrap();
    let [asked, other] = ["asked", "other"].map(|name| folder.path().join(name));
    let launch = Launch {
        at: at(&asked),
        ready_timeout: std::time::Duration::from_secs(3),
        ..launch(&["perl", "-e", ECHO, other.to_str().unwrap()])
    };

    let error = Target::start(&launch, &AtomicBool::new(false)).unwrap_err().to_string();

    let elsewhere = format!(
        "did not listen on unix:{} within 3.0 s; it listens on unix:{}",
        asked.display(),
        other.display()
    );
    assert!(error.contains(&elsewhere), "{error}");
}

#[test]
fn a_socket_shared_with_another_process_is_refused() {
    // As with socket activation: the command inherits a socket that is also open in this process, and makes it listen.
    let folder = tempfile::tempdir().unwrap();
    let own = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    own.set_cloexec(false).unwrap();
    let listens = format!(
        "use Socket; open(my $l, \"+<&=\", {}) or die; bind($l, sockaddr_un($ENV{{SOCKET}})) or die $!; \
         listen($l, 9) or die; sleep 1000",
        own.as_raw_fd()
    );

    let error = start(at(&folder.path().join("socket")), &["perl", "-e", &listens]).unwrap_err();

    assert!(matches!(error, SpawnError::ForeignListener { .. }), "{error}");
}

#[test]
fn the_owner_of_the_other_end_of_a_connection_is_known() {
    let target = start(ListenAt::FreePath, &["perl", "-e", ECHO]).unwrap();
    let foreign_folder = tempfile::tempdir().unwrap();
    let foreign_path = foreign_folder.path().join("socket");
    let foreign = UnixListener::bind(&foreign_path).unwrap();
    let mut listeners = Listeners::open().unwrap();
    let mut owner = |addr: &ServerAddr, client: &UnixStream| {
        let inode = echoctl_observe::UnixConnection::new(client).inode().unwrap();
        listeners.foreign_peer(addr, inode, target.descendants())
    };

    let own = UnixStream::connect(path(&target)).unwrap();
    assert_eq!(owner(target.addr(), &own), None);
    let other = UnixStream::connect(&foreign_path).unwrap();
    let addr = ServerAddr::Unix(foreign_path);
    assert_eq!(owner(&addr, &other), None, "it is not accepted");
    let _accepted = foreign.accept().unwrap();

    let found = eventually("its owner is found", || owner(&addr, &other));
    assert_eq!((found.pid, found.addr), (Some(std::process::id()), addr));
}
