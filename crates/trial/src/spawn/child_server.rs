//! Runs one of our own servers as a child process, so that its memory can be measured separately.
//!
//! The child prints where it listens as its first line, and exits when its stdin is closed. The kernel closes it even when this
//! process is killed, so no child is left behind. A server that does neither is a [`Target`](super::Target).
//!
//! The caller passes the program's path, because `current_exe` inside a library may be a test binary.

use std::io::{self, BufRead, BufReader, PipeReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::{loopback, start_thread};
use serde::Deserialize;

use super::output::Output;
use crate::Error;

/// A running server of our own. Dropping it stops the server.
#[derive(Debug)]
pub struct ChildServer {
    process: StopOnDrop,
    addr: SocketAddr,
    stderr: Output,
}

impl ChildServer {
    /// Starts `program serve` on a free port of loopback with `args` added, and waits until it listens.
    ///
    /// # Errors
    /// When the program cannot be started, exits early (the error has its stderr), or does not listen in time.
    pub fn start(program: &Path, args: &[&str]) -> Result<ChildServer, Error> {
        ChildServer::serve(program, Command::new(program), args)
    }

    /// The same with one worker and at most `limit` open file descriptors. A shell lowers its own limit and then becomes the server, so that
    /// no other process is limited. Only for systems with a POSIX shell.
    ///
    /// # Errors
    /// As [`start`](ChildServer::start).
    pub fn start_with_descriptors(program: &Path, limit: u32) -> Result<ChildServer, Error> {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]).arg(program);
        ChildServer::serve(program, command, &["--workers", "1"])
    }

    fn serve(program: &Path, mut command: Command, args: &[&str]) -> Result<ChildServer, Error> {
        let any_port = SocketAddr::from((loopback(), 0)).to_string();
        command.args(["serve", "--json", "--until-stdin-ends", "--addr", &any_port]).args(args);
        ChildServer::run(command, &format!("{} serve", program.display()), |_| ())
    }

    /// Starts `program lesson` with `args`: a small server that is part of a lesson.
    ///
    /// # Errors
    /// As [`start`](ChildServer::start).
    pub fn start_lesson(program: &Path, args: &[&str]) -> Result<ChildServer, Error> {
        let mut command = Command::new(program);
        command.arg("lesson").args(args);
        ChildServer::run(command, &format!("{} lesson", program.display()), |_| ())
    }

    /// Runs a command that prints a JSON object with its `addr`, or a port of 127.0.0.1, on a line of its own, and waits until
    /// then. `each` gets the further lines. `name` is what an error calls the command.
    ///
    /// # Errors
    /// As [`start`](ChildServer::start).
    pub fn run(
        mut command: Command,
        name: &str,
        each: impl FnMut(&str) + Send + 'static,
    ) -> Result<ChildServer, Error> {
        let failed = |what: String| Error::Server { command: name.to_owned(), what };
        let not_started = |error: io::Error| failed(error.to_string());
        let (stdout, its_stdout) = io::pipe().map_err(not_started)?;
        let (stderr, its_stderr) = io::pipe().map_err(not_started)?;
        let listening = listening_address(stdout, each)?;
        let stderr = Output::follow(stderr)?;
        let process = command.stdin(Stdio::piped()).stdout(its_stdout).stderr(its_stderr).spawn();
        // It has the other ends of the pipes.
        drop(command);
        let process = StopOnDrop(process.map_err(not_started)?);
        match listening.recv_timeout(START_TIMEOUT) {
            Ok(addr) => Ok(ChildServer { process, addr, stderr }),
            Err(RecvTimeoutError::Timeout) => {
                Err(failed(format!("it did not listen within {} s", START_TIMEOUT.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => Err(failed(stderr.tail_at_end(STOP_TIMEOUT))),
        }
    }

    /// The address on which it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Checks that it is still running: an experiment on a server that has exited measures nothing.
    ///
    /// # Errors
    /// [`Error::ServerEnded`] if it has exited.
    pub fn check(&mut self) -> Result<(), Error> {
        // An error of the query does not mean that the server has exited.
        let Ok(Some(status)) = self.process.0.try_wait() else { return Ok(()) };
        let how = match self.stderr.tail_at_end(STOP_TIMEOUT) {
            nothing if nothing.is_empty() => status.to_string(),
            stderr => format!("{status} ({stderr})"),
        };
        Err(Error::ServerEnded { pid: self.pid(), how })
    }

    /// `result`; if it is an error and the server has exited, the error is that the server has exited.
    ///
    /// # Errors
    /// [`Error::ServerEnded`], or the error of `result`.
    pub fn or_ended<T, E: Into<Error>>(&mut self, result: Result<T, E>) -> Result<T, Error> {
        if result.is_err() {
            self.check_for_a_while()?;
        }
        result.map_err(Into::into)
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
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

/// The line of a server that listens.
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
    stdout: PipeReader,
    mut each: impl FnMut(&str) + Send + 'static,
) -> Result<Receiver<SocketAddr>, echoctl_observe::Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    start_thread("child's stdout", move || {
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        match lines.find_map(|line| serde_json::from_str(&line).ok()) {
            // An error means that the caller has timed out.
            Some(Listening::At { addr }) => drop(sender.send(addr)),
            Some(Listening::Port(port)) => drop(sender.send((Ipv4Addr::LOCALHOST, port).into())),
            None => {}
        }
        lines.for_each(|line| each(&line));
    })?;
    Ok(receiver)
}

/// A process that is stopped when this is dropped.
#[derive(Debug)]
struct StopOnDrop(Child);

impl Drop for StopOnDrop {
    /// Closes its stdin, gives it a moment to exit by itself, then kills it.
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // Both fail only if it has already exited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Time limit for starting a server. A loaded machine may take a second to start a process; after ten, something is wrong.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for a server to exit by itself: it takes milliseconds when its peers have gone.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for a process to exit after it has closed its sockets.
const EXIT_GRACE: Duration = Duration::from_millis(200);
