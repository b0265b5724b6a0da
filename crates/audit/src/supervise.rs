//! The supervisor: a process between the audit and its command, under which all that the command starts stays.
//!
//! ```text
//! echoctl ── supervisor ─┬─ the command, leader of a process group of its own ── workers, a process per connection …
//!                        └─ orphans: daemons, double forks, processes of other sessions or with another environment
//! ```
//!
//! It adopts the orphans of its descendants (Linux: subreaper), so that whatever is below it is the target's and nothing
//! else is. Its standard input is a pipe from the audit: when that ends, however the audit ended, it ends everything below
//! it, and then itself. What it has to report it writes to standard output, one [`Report`] per line.

mod report;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use report::Report;

use system::Descendants;

#[cfg(target_os = "linux")]
#[path = "supervise/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "supervise/other.rs"]
mod system;

/// The main function of the supervisor: runs `command` until it is told to end it, which is when standard input counters. The
/// command's output goes to standard error.
///
/// Call it first thing in a program of its own, since it changes the session and the signals of the whole process.
/// [`Target::start`](crate::Target::start) is told how to start that program.
pub fn supervise(command: &[OsString]) {
    system::prepare();
    let (program, arguments) = match command.split_first() {
        Some(words) => words,
        None => return fail(&io::Error::from(io::ErrorKind::InvalidInput)),
    };
    let mut process = Command::new(program);
    process.args(arguments).stdin(Stdio::piped()).stdout(io::stderr());
    #[cfg(unix)]
    {
        std::os::unix::process::CommandExt::process_group(&mut process, 0);
        crate::sys::unblock_signals(&mut process);
    }
    let (events, incoming) = mpsc::channel();
    let told = events.clone();
    let control = thread::Builder::new().spawn(move || {
        await_end_of_input();
        // If nobody listens any more, all has ended already.
        let _ = told.send(Event::Stop);
    });
    let spawned = control.and_then(|_| process.spawn()).and_then(|mut child| {
        // Later, since the command is to have the limit that the audit was given.
        crate::sys::raise_descriptor_limit();
        // Open as long as the target is wanted: a command that ends with its input ends with us.
        let input = child.stdin.take();
        let pid = child.id();
        Ok((pid, input, Descendants::new(child, events)?))
    });
    let (pid, input, mut descendants) = match spawned {
        Ok(spawned) => spawned,
        Err(error) => return fail(&error),
    };
    say(&Report::Started(pid));
    loop {
        match incoming.recv() {
            Ok(Event::Ended(report)) => say(&report),
            Ok(Event::Stop) => break,
            Ok(Event::NoneLeft) | Err(_) => {
                // Where descendants are not listed, its group may yet have members.
                descendants.kill();
                return over();
            }
        }
    }
    drop(input);
    end(&mut descendants, &incoming);
}

/// What the supervisor waits for.
enum Event {
    /// The command has ended.
    Ended(Report),
    /// No descendant is left.
    NoneLeft,
    /// The audit wants the end, or is no more.
    Stop,
}

/// ConnectionCounters all descendants: asks first, so that sockets and temporary files are cleaned up, and does not wait for long.
fn end(descendants: &mut Descendants, incoming: &Receiver<Event>) {
    descendants.terminate();
    if none_left_within(GRACE, incoming) {
        return over();
    }
    // One that forks as it ends leaves a child, which has then become ours: each round takes what is there by then.
    let deadline = Instant::now() + KILLING;
    while Instant::now() < deadline {
        descendants.kill();
        if none_left_within(BETWEEN_KILLS, incoming) {
            return over();
        }
    }
    say(&Report::Left(descendants.names()));
    over()
}

/// Whether the last descendant ended within `timeout`.
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
    // An error is an end too: there is no audit behind a pipe that cannot be read.
    while let Ok(1..) = io::stdin().read(&mut word) {}
}

fn fail(error: &io::Error) {
    say(&Report::Failed { code: error.raw_os_error().unwrap_or(0) });
}

fn over() {
    say(&Report::Over);
}

/// Reports to the audit; when that is no more, nobody needs to know.
fn say(report: &Report) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(report.to_string().as_bytes()).and_then(|()| stdout.flush());
}

/// Time for a clean end. Long enough for a JVM; what takes longer does not want to.
pub(crate) const GRACE: Duration = Duration::from_millis(400);

/// The longest that it goes on killing: a process that the kernel holds in a call, or another user's, may never end.
pub(crate) const KILLING: Duration = Duration::from_secs(5);

/// Between two rounds of killing: so short that a process which only forks and ends is met alive.
const BETWEEN_KILLS: Duration = Duration::from_micros(500);
