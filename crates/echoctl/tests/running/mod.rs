//! Running commands: signals, exits, and stopped readers of their output.

// Each test file is a separate program and uses only a part of this.
#![allow(dead_code)]

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

/// A command that is killed when the test is over.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal. The process may have exited because of an earlier one.
    pub(crate) fn signal(&self, name: &str) {
        Command::new("kill").args(["-s", name, &self.pid().to_string()]).output().expect("kill is there");
    }

    /// Waits until the process exits. The deadline is far longer than an exit takes, and far shorter than the command would
    /// run.
    pub(crate) fn end(&mut self, what: &str) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.0.try_wait().expect("it is our child") {
                return status;
            }
            assert!(Instant::now() < deadline, "{what}: it has not ended");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a condition of the process holds.
    pub(crate) fn wait_until(&mut self, what: &str, is_so: impl Fn(u32) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so(self.pid()) {
            assert_eq!(self.0.try_wait().expect("it is our child"), None, "it ended before {what}");
            assert!(Instant::now() < deadline, "not seen within 60 s: {what}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program under test, with an empty stdin.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    command.args(arguments).env_remove("ECHOCTL_ADDR").env("TERM", "xterm").stdin(Stdio::null());
    command
}

/// A stream to a reader, and the reader's end.
pub(crate) struct Stream {
    to: UnixStream,
    pub(crate) reader: UnixStream,
}

impl Stream {
    pub(crate) fn new() -> Stream {
        let (to, reader) = UnixStream::pair().expect("two sockets");
        Stream { to, reader }
    }

    /// For a command to write to.
    pub(crate) fn stdio(&self) -> Stdio {
        OwnedFd::from(self.to.try_clone().expect("a descriptor")).into()
    }

    /// Fills it with empty lines; the stream itself stays blocking.
    pub(crate) fn fill(&self) {
        for junk in [&[b'\n'; 4096][..], b"\n"] {
            while SockRef::from(&self.to).send_with_flags(junk, libc::MSG_DONTWAIT).is_ok() {}
        }
    }

    /// A stream whose reader has stopped.
    pub(crate) fn stopped() -> Stream {
        let stream = Stream::new();
        stream.fill();
        stream
    }

    /// The reader's end. It reaches the end of the stream when the command exits.
    pub(crate) fn into_reader(self) -> UnixStream {
        self.reader
    }
}

/// Whether a process handles Ctrl-C; before that, a signal kills it.
pub(crate) fn catches_interrupts(pid: u32) -> bool {
    let mask = field(pid, "status", "SigCgt:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    mask.is_some_and(|mask| mask & 0b10 != 0)
}

/// Whether the main thread of a process waits for something.
pub(crate) fn is_waiting(pid: u32) -> bool {
    field(pid, "status", "State:").is_some_and(|state| state.starts_with('S'))
}

/// Whether a process is stopped, as by Ctrl-Z.
pub(crate) fn is_stopped(pid: u32) -> bool {
    field(pid, "status", "State:").is_some_and(|state| state.starts_with('T'))
}

/// The number of read calls of a process.
pub(crate) fn reads(pid: u32) -> u64 {
    field(pid, "io", "syscr:").and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn field(pid: u32, file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}
