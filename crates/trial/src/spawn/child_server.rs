//! Runs one of our own servers as a child process, so that its memory can be measured separately.
//!
//! The child prints where it listens as its first line, and exits when its stdin is closed. The kernel closes it even when this
//! process is killed, so no child is left behind. A server that does neither is a [`Target`](super::Target).
//!
//! The caller passes the program's path, because `current_exe` inside a library may be a test binary.

use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::{loopback, start_thread};
use serde::Deserialize;

use crate::Error;

/// A running server of our own. Dropping it stops the server.
#[derive(Debug)]
pub struct ChildServer {
    process: Child,
    addr: SocketAddr,
    stderr: Receiver<String>,
}

impl ChildServer {
    /// Starts `program serve` on a free port of loopback with `args` added, and waits until it listens.
    ///
    /// # Errors
    /// When the program cannot be started, exits early (the error has its stderr), or does not listen in time.
    pub fn start(program: &Path, args: &[&str]) -> Result<ChildServer, Error> {
        let mut command = Command::new(program);
        command.args(SERVE).arg(any_port()).args(args);
        ChildServer::run(command, format!("{} serve", program.display()), |_| ())
    }

    /// The same with at most `limit` open file descriptors. A shell lowers its own limit and then becomes the server, so that
    /// no other process is limited. Only for systems with a POSIX shell.
    ///
    /// # Errors
    /// As [`start`](ChildServer::start).
    pub fn start_with_descriptors(program: &Path, limit: u32, args: &[&str]) -> Result<ChildServer, Error> {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")])
            .arg(program)
            .args(SERVE)
            .arg(any_port())
            .args(args);
        ChildServer::run(command, format!("{} serve", program.display()), |_| ())
    }

    /// Starts `program lesson` with `args`: a small server that is part of a lesson.
    ///
    /// # Errors
    /// As [`start`](ChildServer::start).
    pub fn start_lesson(program: &Path, args: &[&str]) -> Result<ChildServer, Error> {
        let mut command = Command::new(program);
        command.arg("lesson").args(args);
        ChildServer::run(command, format!("{} lesson", program.display()), |_| ())
    }

    /// Runs a command whose first line on stdout is a JSON object with its `addr`, or a port of 127.0.0.1, and waits until it
    /// listens. `each` gets the further lines. `name` is what an error calls the command.
    ///
    /// # Errors
    /// As [`start`](ChildServer::start).
    pub fn run(
        mut command: Command,
        name: String,
        each: impl FnMut(&str) + Send + 'static,
    ) -> Result<ChildServer, Error> {
        let start_failed = |what: String| Error::Server { command: name.clone(), what };
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| start_failed(error.to_string()))?;

        let stdout = process.stdout.take().expect("its stdout is a pipe");
        let stderr = process.stderr.take().expect("its stderr is a pipe");
        let readers = stderr_start(stderr).and_then(|stderr| Ok((stderr, listening_address(stdout, each)?)));
        let (stderr, listening) = readers.inspect_err(|_| stop(&mut process))?;

        match listening.recv_timeout(START_TIMEOUT) {
            Ok(addr) => Ok(ChildServer { process, addr, stderr }),
            Err(RecvTimeoutError::Timeout) => {
                stop(&mut process);
                Err(start_failed(format!("it did not listen within {} s", START_TIMEOUT.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => {
                stop(&mut process);
                Err(start_failed(stderr.recv_timeout(STOP_TIMEOUT).unwrap_or_default()))
            }
        }
    }

    /// The address on which it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Checks that it is still running: an experiment on a server that has exited measures nothing.
    ///
    /// # Errors
    /// [`Error::ServerEnded`] if it has exited.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.process.try_wait() {
            Ok(Some(status)) => {
                let stderr = self.stderr.recv_timeout(STOP_TIMEOUT).unwrap_or_default();
                let stderr = if stderr.is_empty() { stderr } else { format!(" ({stderr})") };
                Err(Error::ServerEnded { pid: self.pid(), how: format!("{status}{stderr}") })
            }
            // An error of the query does not mean that the server has exited.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// `result`; if it is an error and the server has exited, the error is that the server has exited.
    ///
    /// # Errors
    /// [`Error::ServerEnded`], or the error of `result`.
    pub fn or_ended<T, E: Into<Error>>(&mut self, result: Result<T, E>) -> Result<T, Error> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error.into(),
        };
        self.check_for_a_while()?;
        Err(error)
    }

    /// As [`check`](ChildServer::check), after a failure: a process that exits closes its sockets first, and is gone only a
    /// moment later.
    ///
    /// # Errors
    /// [`Error::ServerEnded`].
    pub fn check_for_a_while(&mut self) -> Result<(), Error> {
        let deadline = Instant::now() + EXIT_GRACE;
        while Instant::now() < deadline {
            self.check()?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for ChildServer {
    fn drop(&mut self) {
        stop(&mut self.process);
    }
}

/// The first line of a server.
#[derive(Deserialize)]
#[serde(untagged)]
enum Listening {
    /// The first event that `serve --json` prints.
    At { addr: SocketAddr },
    /// A port of 127.0.0.1.
    Port(u16),
}

/// Reads the child's stdout to its end, so that the child never blocks on it, and sends the address on which it listens.
/// The channel closes without an address if the child exits first.
///
/// # Errors
/// When the system refuses a thread.
fn listening_address(
    stdout: impl Read + Send + 'static,
    mut each: impl FnMut(&str) + Send + 'static,
) -> Result<Receiver<SocketAddr>, echoctl_observe::Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    start_thread("child's stdout", move || {
        let mut sender = Some(sender);
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let addr = match serde_json::from_str(&line) {
                _ if sender.is_none() => None,
                Ok(Listening::At { addr }) => Some(addr),
                Ok(Listening::Port(port)) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
                Err(_) => None,
            };
            match addr {
                // An error means that the caller has timed out.
                Some(addr) => drop(sender.take().map(|sender| sender.send(addr))),
                None => each(&line),
            }
        }
    })?;
    Ok(receiver)
}

/// Reads the child's stderr to its end and sends its start, which has the reason for an early exit.
///
/// # Errors
/// When the system refuses a thread.
fn stderr_start(mut stderr: impl Read + Send + 'static) -> Result<Receiver<String>, echoctl_observe::Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    start_thread("child's stderr", move || {
        let mut start = Vec::new();
        // An error message has no use for more than the first kilobytes.
        let _ = stderr.by_ref().take(4096).read_to_end(&mut start);
        let _ = io::copy(&mut stderr, &mut io::sink());
        // Only a failure needs the text; otherwise the receiver is gone.
        let _ = sender.send(String::from_utf8_lossy(&start).trim().to_owned());
    })?;
    Ok(receiver)
}

/// An address on loopback with a port that the kernel chooses.
fn any_port() -> String {
    SocketAddr::from((loopback(), 0)).to_string()
}

/// Closes the child's stdin, gives it a moment to exit by itself, then kills it.
fn stop(process: &mut Child) {
    drop(process.stdin.take());
    let deadline = Instant::now() + STOP_TIMEOUT;
    while Instant::now() < deadline {
        if !matches!(process.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    // Both fail only if it has already exited.
    let _ = process.kill();
    let _ = process.wait();
}

/// Arguments of a server that reports its address and exits when its stdin is closed; the address follows.
const SERVE: [&str; 4] = ["serve", "--json", "--until-stdin-ends", "--addr"];

/// Time limit for starting a server. A loaded machine may take a second to start a process; after ten, something is wrong.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for a server to exit by itself: it takes milliseconds when its peers have gone.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for a process to exit after it has closed its sockets.
const EXIT_GRACE: Duration = Duration::from_millis(200);
