//! Which socket listens at a path, and in which process: links, files that were replaced, abstract and relative names.
#![cfg(target_os = "linux")]
#![cfg(test)]

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::{Command, Stdio};

use echoctl_observe::{Error, Listener, ServerAddr, SocketDiag, Target, accepting, listener_at};
use echoctl_testkit::{Running, eventually};

/// The listener at `addr`, once only this process has it open: a child of another test inherits it until it runs its program.
#[track_caller]
fn own_listener_at(addr: &ServerAddr) -> Listener {
    eventually("only this process has the listener open", || {
        let found = listener_at(addr).map_err(|error| error.to_string())?;
        if found.pids().eq([std::process::id()]) { Ok(found) } else { Err(format!("{found:?}")) }
    })
}

#[test]
fn a_listener_is_found_by_its_path_and_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let [path, link] = ["socket", "link"].map(|name| folder.path().join(name));
    let _listener = UnixListener::bind(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();

    for addr in [path, link].map(ServerAddr::Unix) {
        let found = own_listener_at(&addr);
        assert_eq!((&found.addr, found.is_of_another_user()), (&addr, Some(false)));
        assert_eq!(Target::at(&addr).unwrap().addrs, [addr]);
    }
}

#[test]
fn a_listener_whose_file_was_replaced_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let addr = ServerAddr::Unix(folder.path().join("socket"));
    let ServerAddr::Unix(path) = &addr else { unreachable!() };
    let replaced = UnixListener::bind(path).unwrap();
    fs::remove_file(path).unwrap();
    assert!(matches!(listener_at(&addr), Err(Error::NotListening { .. })), "it has no file");

    let _listener = UnixListener::bind(path).unwrap();

    let found = accepting(&mut SocketDiag::open().unwrap(), &addr).unwrap();
    assert_eq!(found.len(), 1, "both have the same name: {found:?}");
    drop(replaced);
    own_listener_at(&addr);
}

#[test]
fn the_file_of_a_server_that_exited_has_no_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());

    let error = listener_at(&ServerAddr::Unix(path.clone())).unwrap_err();

    assert_eq!(error.to_string(), format!("nothing listens on unix:{}", path.display()));
}

#[test]
fn a_listener_is_found_by_its_abstract_name() {
    let name = format!("echoctl-listener-{}", std::process::id());
    let addr = ServerAddr::unix(Path::new(&format!("@{name}")));
    assert!(matches!(listener_at(&addr), Err(Error::NotListening { .. })));

    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();

    own_listener_at(&addr);
}

#[test]
fn a_process_is_found_at_a_relative_path() {
    let folder = tempfile::tempdir().unwrap();
    let listens = "use Socket; socket(my $l, PF_UNIX, SOCK_STREAM, 0); bind($l, sockaddr_un('its')) or die; \
        listen($l, 9) or die; sleep 1000";
    let mut perl = Command::new("perl");
    perl.args(["-e", listens]).current_dir(folder.path()).stdin(Stdio::null());
    let server = Running::start(&mut perl);
    // The folder as the kernel names it.
    let addr = ServerAddr::Unix(folder.path().canonicalize().unwrap().join("its"));

    eventually("it listens", || listener_at(&addr));

    assert_eq!(listener_at(&addr).unwrap().pids().collect::<Vec<_>>(), [server.pid()]);
    assert_eq!(Target::of_process(server.pid()).unwrap().addrs, [addr]);
}
