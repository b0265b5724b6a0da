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
use std::process::{Command, ExitStatus, Stdio};
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
    let Some((program, arguments)) = command.split_first() else {
        return fail(&io::ErrorKind::InvalidInput.into());
    };
    let mut process = Command::new(program);
    process.args(arguments).stdin(Stdio::piped()).stdout(io::stderr());
    #[cfg(unix)]
    {
        std::os::unix::process::CommandExt::process_group(&mut process, 0);
        crate::spawn::sys::unblock_signals(&mut process);
    }
    let (events, incoming) = mpsc::channel();
    let stop_events = events.clone();
    let control = thread::Builder::new().spawn(move || {
        await_end_of_input();
        // If the receiver is gone, everything has exited already.
        let _ = stop_events.send(Event::Stop);
    });
    let spawned = control.and_then(|_| process.spawn()).and_then(|mut child| {
        // Only now, because the command has to inherit the limit of the parent.
        // Each process of a tree takes a few files. If the limit stays, fewer processes can be followed.
        let _ = echoctl_observe::raise_descriptor_limit();
        // Open until the parent ends, so that a command that exits at the end of its input exits then.
        let input = child.stdin.take();
        let pid = child.id();
        let descendants = Descendants::of(child);
        await_all(descendants.clone(), events).inspect_err(|_| descendants.kill())?;
        Ok((pid, input, descendants))
    });
    let (pid, input, descendants) = match spawned {
        Ok(spawned) => spawned,
        Err(error) => return fail(&error),
    };
    send_report(&Report::Started(pid));
    loop {
        match incoming.recv() {
            Ok(Event::Ended(status)) => {
                let ending = Ending { success: status.success(), how: status.to_string() };
                send_report(&Report::Ended(ending));
            }
            Ok(Event::Stop) => break,
            Ok(Event::NoneLeft) | Err(_) => {
                // Where descendants are not listed, the group may still have members.
                descendants.kill();
                return report_over();
            }
        }
    }
    drop(input);
    end(&descendants, &incoming);
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

/// Waits for all descendants on a thread of its own.
///
/// # Errors
/// When no thread can be started.
fn await_all(descendants: Descendants, events: Sender<Event>) -> io::Result<()> {
    thread::Builder::new().spawn(move || {
        // The receiver is gone only if this process is about to exit.
        descendants.wait(|status| drop(events.send(Event::Ended(status))));
        let _ = events.send(Event::NoneLeft);
    })?;
    Ok(())
}

/// Stops all descendants: SIGTERM first, so that sockets and temporary files are cleaned up, and SIGKILL soon after.
fn end(descendants: &Descendants, incoming: &Receiver<Event>) {
    descendants.terminate();
    if none_left_within(GRACE, incoming) {
        return report_over();
    }
    // A process that forks when it is killed leaves an orphan, which is then ours: each round kills all that exist by then.
    let deadline = Instant::now() + KILLING;
    while Instant::now() < deadline {
        descendants.kill();
        if none_left_within(BETWEEN_KILLS, incoming) {
            return report_over();
        }
    }
    send_report(&Report::Left(descendants.names()));
    report_over()
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

fn fail(error: &io::Error) {
    send_report(&Report::Failed { code: error.raw_os_error().unwrap_or(0) });
}

fn report_over() {
    send_report(&Report::Over);
}

/// Sends a report to the parent process. If it has exited, the report is lost.
fn send_report(report: &Report) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(report.to_string().as_bytes()).and_then(|()| stdout.flush());
}

/// Time between SIGTERM and SIGKILL: enough for a JVM to exit cleanly.
pub(crate) const GRACE: Duration = Duration::from_millis(400);

/// Time limit for killing: a process in an uninterruptible call, or another user's, may never exit.
pub(crate) const KILLING: Duration = Duration::from_secs(5);

/// Time between two rounds of killing: short enough to find a process alive that only forks and exits.
const BETWEEN_KILLS: Duration = Duration::from_micros(500);
