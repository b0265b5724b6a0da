//! A child server: `echoctl serve` in a process of its own, so that its memory is its own.
//!
//! The program's path comes from above, because `current_exe` inside a library may be a test binary. The child ends when
//! its standard input ends (`--until-stdin-ends`), which the kernel sees to even when this process is killed: no child is
//! left behind, whatever happens here.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use echoctl_observe::start_thread;
use serde::Deserialize;

use crate::Error;
use crate::kit::measure::loopback;

/// A running `echoctl serve`. Dropping it ends it.
#[derive(Debug)]
pub struct ChildServer {
    process: Child,
    addr: SocketAddr,
    words: Receiver<String>,
}

impl ChildServer {
    /// Starts `program serve` on a free port of loopback with `args` added, and waits until it listens.
    ///
    /// # Errors
    /// When the program cannot be started, ends early (its own words are in the error), or does not listen in time.
    pub fn start(program: &Path, args: &[&str]) -> Result<ChildServer, Error> {
        let mut command = Command::new(program);
        command.args(SERVE).arg(loopback().to_string()).args(args);
        ChildServer::from_command(command, program)
    }

    /// The same with at most `limit` open descriptors. The shell lowers the limit for itself and then becomes the server,
    /// so that nothing else is limited; only for systems with a shell.
    ///
    /// # Errors
    /// As [`start`](ChildServer::start).
    pub fn start_with_descriptors(program: &Path, limit: u32, args: &[&str]) -> Result<ChildServer, Error> {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")])
            .arg(program)
            .args(SERVE)
            .arg(loopback().to_string())
            .args(args);
        ChildServer::from_command(command, program)
    }

    /// Starts `program lesson` with `args`: a small server that is part of a lesson.
    ///
    /// # Errors
    /// As [`start`](ChildServer::start).
    pub(crate) fn start_lesson(program: &Path, args: &[&str]) -> Result<ChildServer, Error> {
        let mut command = Command::new(program);
        command.arg("lesson").args(args);
        ChildServer::from_command(command, program)
    }

    /// Runs a command that becomes `program serve --json`, and waits until it listens.
    fn from_command(mut command: Command, program: &Path) -> Result<ChildServer, Error> {
        let start_failed = |what: String| Error::Server { program: program.to_owned(), what };
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| start_failed(error.to_string()))?;

        let stdout = process.stdout.take().expect("its stdout was asked to be a pipe");
        let stderr = process.stderr.take().expect("its stderr was asked to be a pipe");
        let followed = last_words(stderr).and_then(|words| Ok((words, listening_address(stdout)?)));
        let (words, listening) = followed.inspect_err(|_| end(&mut process))?;

        match listening.recv_timeout(START_TIMEOUT) {
            Ok(addr) => Ok(ChildServer { process, addr, words }),
            Err(RecvTimeoutError::Timeout) => {
                end(&mut process);
                Err(start_failed(format!("did not listen within {} s", START_TIMEOUT.as_secs())))
            }
            Err(RecvTimeoutError::Disconnected) => {
                end(&mut process);
                Err(start_failed(words.recv_timeout(END_TIMEOUT).unwrap_or_default()))
            }
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs: an experiment on a server that has ended measures nothing.
    ///
    /// # Errors
    /// [`Error::ServerEnded`] when something else than this program has ended it.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.process.try_wait() {
            Ok(Some(status)) => {
                let words = self.words.recv_timeout(END_TIMEOUT).unwrap_or_default();
                let words = if words.is_empty() { words } else { format!(" ({words})") };
                Err(Error::ServerEnded { pid: self.pid(), how: format!("{status}{words}") })
            }
            // That it cannot be asked after does not mean that it has ended.
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// `result`, unless it failed because the server has ended: then that.
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

    /// As [`check`](ChildServer::check), when something has failed: a process that dies closes its sockets first, and is gone
    /// a moment later.
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
        end(&mut self.process);
    }
}

/// The first event that `serve --json` prints.
#[derive(Deserialize)]
struct Listening {
    addr: SocketAddr,
}

/// Reads the child's stdout to its end, so that it never waits for us, and sends on the address it listens at.
/// The channel closes without one when the child ends first.
///
/// # Errors
/// When the system gives no thread.
fn listening_address(
    stdout: impl Read + Send + 'static,
) -> Result<Receiver<SocketAddr>, echoctl_observe::Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    start_thread("child's stdout", move || {
        let mut sender = Some(sender);
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let (Some(channel), Ok(event)) = (&sender, serde_json::from_str::<Listening>(&line)) {
                // Nobody waits any more after the timeout; the line is of no use then.
                let _ = channel.send(event.addr);
                sender = None;
            }
        }
    })?;
    Ok(receiver)
}

/// Reads the child's stderr to its end and sends the beginning, where the reason for an early end stands.
///
/// # Errors
/// When the system gives no thread.
fn last_words(mut stderr: impl Read + Send + 'static) -> Result<Receiver<String>, echoctl_observe::Error> {
    let (sender, receiver) = mpsc::sync_channel(1);
    start_thread("child's stderr", move || {
        let mut words = Vec::new();
        // What cannot be read, or comes after the first kilobytes, is of no use in an error message.
        let _ = stderr.by_ref().take(4096).read_to_end(&mut words);
        let _ = io::copy(&mut stderr, &mut io::sink());
        // Nobody asks for it where all went well.
        let _ = sender.send(String::from_utf8_lossy(&words).trim().to_owned());
    })?;
    Ok(receiver)
}

/// Closes the child's standard input, gives it a moment to end by itself, then ends it.
fn end(process: &mut Child) {
    drop(process.stdin.take());
    let deadline = Instant::now() + END_TIMEOUT;
    while Instant::now() < deadline {
        if !matches!(process.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    // Both fail only when it has already ended.
    let _ = process.kill();
    let _ = process.wait();
}

/// A server that says where it listens, and ends when it is left alone; its address comes behind.
const SERVE: [&str; 4] = ["serve", "--json", "--until-stdin-ends", "--addr"];

/// A loaded machine may take a second to start a process; ten means that something is wrong.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Ending is a matter of milliseconds for a server whose peers are gone.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Time between the last sign of a server and the end of its process.
const EXIT_GRACE: Duration = Duration::from_millis(200);
