//! Commands to start, in Perl, which every Linux with Git has.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use echoctl_observe::Process;
use echoctl_testkit::eventually;
use echoctl_trial::spawn::{Launch, ListenAt, SpawnError, Target};

/// The longest wait.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// An echo server that forks for each connection.
pub(crate) const ECHO: &str = "use IO::Socket::INET; my $l = IO::Socket::INET->new(LocalAddr => \"127.0.0.1\", \
    LocalPort => $ARGV[0] || $ENV{PORT}, Listen => 9, ReuseAddr => 1) or die; \
    while (my $c = $l->accept) { next if fork; while (sysread($c, my $b, 65536)) { my $o = 0; \
    while ($o < length $b) { $o += syswrite($c, $b, length($b) - $o, $o) or exit } } exit }";

/// How the command is started.
pub(crate) fn launch(command: &[&str]) -> Launch {
    Launch {
        command: command.iter().map(Into::into).collect(),
        at: ListenAt::FreePort,
        ready_timeout: TIMEOUT,
        supervisor: vec![env!("CARGO_BIN_EXE_supervise").into()],
        // Other tests of this process have children, too.
        owns_orphans: false,
    }
}

/// Starts the command, and waits until it listens.
pub(crate) fn start(command: &[&str]) -> Result<Target, SpawnError> {
    Target::start(&launch(command), &AtomicBool::new(false))
}

/// Perl that appends its pid to the file `$ARGV[1]`, so that the test knows all processes of a command.
pub(crate) const NOTE: &str =
    "sub note { open(my $f, \">>\", $ARGV[1]) or die; syswrite($f, \"$$\\n\"); close($f) }";

/// The pids that a command noted in `file`.
pub(crate) fn noted(file: &Path) -> Vec<u32> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

pub(crate) fn is_running(pid: u32) -> bool {
    Process::open(pid).is_ok()
}

/// Waits until none of the processes in `file` runs.
#[track_caller]
pub(crate) fn wait_for_none(file: &Path) {
    assert!(!noted(file).is_empty(), "the command noted nothing");
    eventually("no process of the command runs", || {
        let running: Vec<u32> = noted(file).into_iter().filter(|pid| is_running(*pid)).collect();
        if running.is_empty() { Ok(()) } else { Err(running) }
    });
}
