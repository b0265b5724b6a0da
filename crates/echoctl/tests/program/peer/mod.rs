//! Peers for the commands under test: small servers with a closure for each connection.

use std::net::TcpStream;
use std::time::Duration;

use assert_cmd::Command;
use echoctl_testkit::{catches_interrupts, eventually};

/// The program under test. The timeout is far longer than any test takes; it ends tests that hang.
pub(crate) fn echoctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    command.args(arguments).env_remove("ECHOCTL_ADDR").timeout(Duration::from_secs(120));
    command
}

/// A server on a free port that calls `serve` for each connection until the test ends.
pub(crate) fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    echoctl_testkit::server(serve).to_string()
}

/// An address where nothing listens, and the socket that reserves it.
pub(crate) fn closed_addr() -> (socket2::Socket, String) {
    let (socket, addr) = echoctl_testkit::closed_addr();
    (socket, addr.to_string())
}

/// What a finished command printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until a process handles Ctrl-C, by its mask of caught signals, if the system shows it. Before that, a signal kills
/// the process.
pub(crate) fn wait_until_it_catches_interrupts(pid: u32) {
    if cfg!(target_os = "linux") {
        eventually("it handles SIGINT", || catches_interrupts(pid));
    }
}
