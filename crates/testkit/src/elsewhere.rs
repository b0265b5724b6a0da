//! A server in another network namespace, as in a container, for tests that run with privilege over it and without.
//!
//! A test that needs one runs itself again: first in a network namespace of its own, where it makes the server's namespace and the
//! link to it, and then, if it asks for that, without any capability. Only the last of these processes checks anything.

use std::env;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use crate::{Running, eventually};

/// What the test may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Everything in the namespaces of both.
    Administrator,
    /// What the server's own user may do, who has no capability.
    ServersUser,
}

/// A server in another network namespace.
#[derive(Debug)]
pub struct Elsewhere {
    /// Where it is reached from here.
    pub addr: SocketAddr,
    /// Its process.
    pub pid: u32,
    /// Ends it, in the process that has started it.
    _running: Option<Running>,
}

impl Elsewhere {
    /// The server that `command` starts at [`Elsewhere::LISTENING`], for the test of this name, which may do what `caller` may.
    ///
    /// `None` in a process that is done: the test has run in another one, or is not possible here, for the reason that `skip` gets.
    pub fn start(test: &str, caller: Caller, command: &[&str], skip: fn(&str)) -> Option<Elsewhere> {
        if let Ok(started) = env::var(STARTED) {
            let (addr, pid) = started.split_once(' ').expect("an address and a pid");
            let (addr, pid) = (addr.parse().expect("an address"), pid.parse().expect("a pid"));
            return Some(Elsewhere { addr, pid, _running: None });
        }
        if !is_alone() {
            run_alone(test, skip);
            return None;
        }
        let server = start_linked(command);
        if caller == Caller::Administrator {
            return Some(server);
        }
        let started = format!("{} {}", server.addr, server.pid);
        let mut again = Command::new("setpriv");
        again.args(WITHOUT_CAPABILITIES).arg(env::current_exe().expect("this program"));
        run_again(again.env(STARTED, started), test);
        None
    }

    /// Where the server has to listen.
    pub const LISTENING: &str = "0.0.0.0:7107";
}

/// Whether this process has a network namespace of its own.
pub(crate) fn is_alone() -> bool {
    env::var_os(ALONE).is_some()
}

/// Runs a test of this program again in a network namespace that has only loopback.
pub(crate) fn run_alone(test: &str, skip: fn(&str)) {
    // Root needs no user namespace, which may be forbidden.
    let ways: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];
    let probe = ["setpriv", "ip", "link", "add", "near", "type", "veth", "peer", "name", "far"];
    let is_possible = |way: &&&[&str]| {
        let output = Command::new("unshare").args(**way).args(probe).output();
        output.is_ok_and(|output| output.status.success())
    };
    let Some(way) = ways.iter().find(is_possible) else {
        return skip(
            "this user may not make a network namespace with a link, or there is no unshare(1), setpriv(1) and ip(8)",
        );
    };
    let mut again = Command::new("unshare");
    again.args(*way).arg(env::current_exe().expect("this program"));
    run_again(again.env(ALONE, ""), test);
}

/// Runs one test with this command, which starts the test program, and fails unless the test has passed. A test program that knows no test
/// of this name also succeeds.
fn run_again(program: &mut Command, test: &str) {
    program.args(["--exact", test, "--nocapture"]).stderr(Stdio::inherit());
    let output = program.output().expect("util-linux is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    let has_passed = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(has_passed, "{test} failed in its namespace: {said}");
}

/// Starts a server in another namespace, connected to this one. It has no capability, as one in a container has none over the host.
fn start_linked(command: &[&str]) -> Elsewhere {
    let addr = SocketAddr::from(([10, 77, 0, 2], 7107));
    let own = std::fs::read_link("/proc/self/ns/net").expect("/proc is there");
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "setpriv"]).args(WITHOUT_CAPABILITIES).args(command).stdin(Stdio::null());
    let running = Running::start(&mut unshare);
    let pid = running.pid().to_string();
    // unshare(1) makes the namespace and then becomes the server.
    let namespace = || std::fs::read_link(format!("/proc/{pid}/ns/net"));
    eventually("the server has its namespace", || namespace().is_ok_and(|namespace| namespace != own));
    let elsewhere = ["-t", &pid, "-n", "ip"];
    run("ip", &["link", "set", "lo", "up"]);
    run("ip", &["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", &pid]);
    run("ip", &["addr", "add", "10.77.0.1/30", "dev", "near"]);
    run("ip", &["link", "set", "near", "up"]);
    run("nsenter", &[&elsewhere[..], &["addr", "add", "10.77.0.2/30", "dev", "far"]].concat());
    run("nsenter", &[&elsewhere[..], &["link", "set", "far", "up"]].concat());
    eventually("the server listens", || TcpStream::connect(addr));
    Elsewhere { addr, pid: running.pid(), _running: Some(running) }
}

pub(crate) fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).output().expect("the program is there");
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Arguments of setpriv(1): a program that is started then gets no capability, whatever its user.
const WITHOUT_CAPABILITIES: [&str; 2] = ["--bounding-set=-all", "--inh-caps=-all"];

/// Set in the process that has a namespace of its own.
const ALONE: &str = "ECHOCTL_TEST_ALONE";

/// In the process without capabilities: the server's address and pid.
const STARTED: &str = "ECHOCTL_TEST_STARTED";
