//! Which socket listens at an address, and in which process: exact addresses, wildcards of both families, other namespaces.
#![cfg(target_os = "linux")]
#![cfg(test)]

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use echoctl_observe::{Error, Listener, Target, listener_at};
use echoctl_testkit::{Running, closed_addr, eventually};
use socket2::{Domain, Socket, Type};

fn on_loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The listener at `addr`, once only this process has it open: a child of another test inherits it until it runs its program.
#[track_caller]
fn own_listener_at(addr: SocketAddr) -> Listener {
    eventually("only this process has the listener open", || {
        let found = listener_at(&addr.into()).map_err(|error| error.to_string())?;
        if found.pids().eq([std::process::id()]) { Ok(found) } else { Err(format!("{found:?}")) }
    })
}

#[test]
fn a_listener_is_found_behind_a_wildcard() {
    for wildcard in ["0.0.0.0:0", "[::]:0"] {
        let listener = TcpListener::bind(wildcard).unwrap();
        let addr = listener.local_addr().unwrap();

        let found = own_listener_at(on_loopback(addr.port()));

        assert_eq!((&found.addr, found.is_of_another_user()), (&addr.into(), Some(false)));
    }
}

#[test]
fn an_exact_address_is_preferred_to_a_wildcard() {
    let (_wildcard, wildcard) = listening(Ipv4Addr::UNSPECIFIED.into(), 0);
    let (_exact, exact) = listening(Ipv4Addr::LOCALHOST.into(), wildcard.port());

    assert_eq!(own_listener_at(exact).addr, exact.into());
    assert_eq!(own_listener_at(SocketAddr::from(([127, 0, 0, 2], wildcard.port()))).addr, wildcard.into());
}

#[test]
fn an_ipv6_wildcard_that_refuses_ipv4_is_no_ipv4_listener() {
    let (_socket, addr) = listening(Ipv6Addr::UNSPECIFIED.into(), 0);

    assert!(matches!(listener_at(&on_loopback(addr.port()).into()), Err(Error::NotListening { .. })));
    let found = own_listener_at(SocketAddr::from((Ipv6Addr::LOCALHOST, addr.port())));
    assert_eq!(found.addr, addr.into());
}

#[test]
fn an_ipv4_address_may_be_written_as_ipv6() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), addr.port()));

    assert_eq!(own_listener_at(mapped).addr, addr.into());
}

#[test]
fn an_address_without_a_listener_is_an_error() {
    let (_reserved, addr) = closed_addr();

    let error = listener_at(&addr.into()).unwrap_err();

    assert_eq!(error.to_string(), format!("nothing listens on {addr}"));
}

#[test]
fn a_listener_in_another_namespace_is_found_by_its_process() {
    const PORT: &str = "ECHOCTL_TEST_PORT";
    if let Ok(port) = env::var(PORT) {
        // This is the process in the other namespace, whose loopback interface is down.
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port.parse().unwrap())).unwrap();
        assert_eq!(
            own_listener_at(on_loopback(port.parse().unwrap())).addr,
            listener.local_addr().unwrap().into()
        );
        println!("\nlistening");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let (_reserved, addr) = closed_addr();
    let unshare = ["--user", "--map-root-user", "--net"];
    if !Command::new("unshare").args(unshare).arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("not tested: this user may not make a network namespace, or there is no unshare(1)");
        return;
    }
    let this = "a_listener_in_another_namespace_is_found_by_its_process";
    let mut other = Command::new("unshare");
    other.args(unshare).arg(env::current_exe().unwrap()).args(["--exact", this, "--nocapture"]);
    other.env(PORT, addr.port().to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
    // unshare(1) makes the namespace and then becomes the test.
    let mut other = Running::start(&mut other);
    let lines = BufReader::new(other.0.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "listening"), "the other process failed");

    assert!(matches!(listener_at(&addr.into()), Err(Error::NotListening { .. })));
    let found = Target::of_process(other.pid()).unwrap();
    let wildcard = SocketAddr::from((Ipv4Addr::UNSPECIFIED, addr.port()));
    assert!(found.pids().eq([other.pid()]), "{found:?}");
    assert_eq!(found.addrs, [wildcard.into()]);
    assert!(found.elsewhere.contains(&other.pid()), "its sockets are in other tables");
}

/// A listening socket that shares its port and, if it is of IPv6, refuses IPv4.
fn listening(ip: std::net::IpAddr, port: u16) -> (Socket, SocketAddr) {
    let addr = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None).unwrap();
    if addr.is_ipv6() {
        socket.set_only_v6(true).unwrap();
    }
    socket.set_reuse_port(true).unwrap();
    socket.bind(&addr.into()).unwrap();
    socket.listen(16).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}
