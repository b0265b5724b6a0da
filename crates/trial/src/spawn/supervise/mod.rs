//! The supervisor: a process between its parent and the command, and the ancestor of all processes of the command.
//!
//! ```text
//! echoctl ── supervisor ─┬─ the command, leader of its own process group ── workers, a process per connection …
//!                        └─ orphans: daemons, double forks, processes of other sessions or with another environment
//! ```
//!
//! It adopts the orphans of its descendants (Linux: subreaper), so that exactly its descendants are the target's processes. Its
//! standard input is a pipe from its parent. When the pipe is closed, however the parent ended, the supervisor stops all its
//! descendants and exits. It writes its reports to standard output, one [`Report`] per line.

mod report;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use report::{Ending, Report};

use system::Descendants;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "other.rs"]
mod system;

/// The main function of the supervisor: runs `command` until standard input is closed. The output of the command goes to
/// standard error.
///
/// Call it first thing in a program of its own, because it changes the session and the signals of the whole process.
/// [`Launch::supervisor`](super::Launch::supervisor) says how to start that program.
pub fn supervise(command: &[OsString]) {
    system::prepare();
    let (events, incoming) = mpsc::channel();
    let (pid, input, descendants) = match start(command, events) {
        Ok(started) => started,
        Err(error) => return report(&Report::Failed { code: error.raw_os_error().unwrap_or(0) }),
    };
    report(&Report::Started(pid));
    loop {
        match incoming.recv() {
            Ok(Event::Ended(status)) => {
                report(&Report::Ended(Ending { success: status.success(), how: status.to_string() }));
            }
            Ok(Event::Stop) => {
                drop(input);
                end(&descendants, &incoming);
                break;
            }
            Ok(Event::NoneLeft) | Err(_) => {
                // Where descendants are not listed, the group may still have members.
                descendants.kill();
                break;
            }
        }
    }
    report(&Report::Over);
}

/// Starts the command. Returns its pid, and its standard input: open until the parent ends, so that a command that exits at the
/// end of its input exits then.
fn start(command: &[OsString], events: Sender<Event>) -> io::Result<(u32, Option<ChildStdin>, Descendants)> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut process = Command::new(program);
    process.args(arguments).stdin(Stdio::piped()).stdout(io::stderr());
    #[cfg(unix)]
    {
        std::os::unix::process::CommandExt::process_group(&mut process, 0);
        crate::spawn::sys::unblock_signals(&mut process);
    }
    let stop_events = events.clone();
    thread::Builder::new().spawn(move || {
        await_end_of_input();
        // If the receiver is gone, everything has exited already.
        let _ = stop_events.send(Event::Stop);
    })?;
    let mut child = process.spawn()?;
    // Only now, because the command has to inherit the limit of the parent.
    // Each process of a tree takes a few files. If the limit stays, fewer processes can be followed.
    let _ = echoctl_observe::raise_descriptor_limit();
    let (pid, input) = (child.id(), child.stdin.take());
    let descendants = Descendants::of(child);
    let awaited = descendants.clone();
    let waiting = thread::Builder::new().spawn(move || {
        // The receiver is gone only if this process is about to exit.
        awaited.wait(|status| drop(events.send(Event::Ended(status))));
        let _ = events.send(Event::NoneLeft);
    });
    waiting.inspect_err(|_| descendants.kill())?;
    Ok((pid, input, descendants))
}

/// What the supervisor waits for.
enum Event {
    /// The command has exited.
    Ended(ExitStatus),
    /// No descendants are left.
    NoneLeft,
    /// The parent has ended, or wants the command stopped.
    Stop,
}

/// Stops all descendants: SIGTERM first, so that sockets and temporary files are cleaned up, and SIGKILL soon after.
fn end(descendants: &Descendants, incoming: &Receiver<Event>) {
    descendants.terminate();
    let mut is_over = none_left_within(GRACE, incoming);
    // A process that forks when it is killed leaves an orphan, which is then ours: each round kills all that exist by then.
    let deadline = Instant::now() + KILLING;
    while !is_over && Instant::now() < deadline {
        descendants.kill();
        is_over = none_left_within(BETWEEN_KILLS, incoming);
    }
    if !is_over {
        report(&Report::Left(descendants.names()));
    }
}

/// Whether the last descendant exited within `timeout`.
fn none_left_within(timeout: Duration, incoming: &Receiver<Event>) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        match incoming.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::NoneLeft) | Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
            Ok(Event::Ended(_) | Event::Stop) => {}
        }
    }
}

fn await_end_of_input() {
    let mut word = [0; 64];
    // An error counts as the end: a pipe that cannot be read has no parent behind it.
    while let Ok(1..) = io::stdin().read(&mut word) {}
}

/// Sends a report to the parent process. If it has exited, the report is lost.
fn report(report: &Report) {
    let mut stdout = io::stdout().lock();
    let _ = serde_json::to_writer(&mut stdout, report);
    let _ = stdout.write_all(b"\n").and_then(|()| stdout.flush());
}

/// Time between SIGTERM and SIGKILL: enough for a JVM to exit cleanly.
pub(crate) const GRACE: Duration = Duration::from_millis(400);

/// Time limit for killing: a process in an uninterruptible call, or another user's, may never exit.
pub(crate) const KILLING: Duration = Duration::from_secs(5);

/// Time between two rounds of killing: short enough to find a process alive that only forks and exits.
const BETWEEN_KILLS: Duration = Duration::from_micros(500);
