//! The parent's side of a supervisor: starts it, reads its reports, and makes it stop everything.
//!
//! The supervisor runs until its standard input is closed, which happens when this process ends in any way. Then it stops all its
//! descendants. If the supervisor itself is killed, its orphans become children of this process, which adopts orphans for this
//! purpose and stops them instead.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, PipeWriter, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use echoctl_observe::{ProcessTree, start_thread};

use super::supervise::{GRACE, KILLING, Report};
use super::sys;

/// A supervisor and its command.
#[derive(Debug)]
pub(super) struct Supervisor {
    process: Child,
    /// Open as long as the target is to run.
    control: Option<ChildStdin>,
    reports: Receiver<Report>,
    command: u32,
    ended: Option<Ending>,
    state: State,
    /// Its descendants, as last seen.
    tree: ProcessTree,
    /// Whether every orphan that this process inherits is one of them.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere orphans are the system's"))]
    owns_orphans: bool,
    /// Processes that could not be stopped, by name and pid.
    left: Option<String>,
}

/// How the command exited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// Whether it succeeded.
    pub(super) success: bool,
    /// How, e.g. `exit status: 1`.
    pub(super) how: String,
}

/// The state of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    /// It has finished: it has no descendants.
    Over,
    /// It exited before it had finished: it was killed.
    Lost,
}

impl Supervisor {
    /// Starts `program` (with its first arguments), which must call [`supervise`](super::supervise()) with `command`. `environment`
    /// is added for the command, whose output goes to `output`. With `owns_orphans` this process has no other children.
    ///
    /// # Errors
    /// The system's error for the supervisor or for the command.
    pub(super) fn start(
        program: &[OsString],
        command: &[OsString],
        environment: (&str, &str),
        output: PipeWriter,
        owns_orphans: bool,
    ) -> io::Result<Supervisor> {
        let (path, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        // Before the process, which would be left behind if there were no thread to read its reports.
        let (stdout, reports) = follow().map_err(io::Error::other)?;
        sys::adopt_orphans();
        let mut process = Command::new(path)
            .args(arguments)
            .args(command)
            .env(environment.0, environment.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output)
            .spawn()
            .map_err(|error| io::Error::other(format!("cannot start its supervisor: {error}")))?;
        // Only now, because the command has to inherit the limit of this process.
        // Each process of a tree takes a few files. If the limit stays, fewer processes can be followed.
        let _ = echoctl_observe::raise_descriptor_limit();
        let control = process.stdin.take();
        // The thread waits for it.
        let _ = process.stdout.take().map(|pipe| stdout.send(pipe));
        let mut tree = ProcessTree::new([]).map_err(io::Error::other)?;
        let first = reports.recv_timeout(STARTING);
        // A system that does not list descendants has none to show.
        let below = tree.add_below(process.id());
        let mut supervisor = Supervisor {
            process,
            control,
            reports,
            command: 0,
            ended: None,
            state: State::Running,
            tree,
            owns_orphans,
            left: None,
        };
        match first {
            Ok(Report::Started(pid)) => {
                supervisor.command = pid;
                // It may have exited since, and its command with it.
                drop(below);
                Ok(supervisor)
            }
            Ok(Report::Failed { code }) if code != 0 => Err(io::Error::from_raw_os_error(code)),
            _ => Err(io::Error::other("its supervisor did not start it")),
        }
    }

    /// Its pid.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The pid of the command, which may have exited.
    pub(super) fn command(&self) -> u32 {
        self.command
    }

    /// How the command exited, if it has.
    pub(super) fn ended(&mut self) -> Option<&Ending> {
        loop {
            match self.reports.try_recv() {
                Ok(report) => self.note(report),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    if self.state == State::Running {
                        self.state = State::Lost;
                    }
                    break;
                }
            }
        }
        self.ended.as_ref()
    }

    /// Whether it was killed, as last seen.
    pub(super) fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// The running processes below it.
    pub(super) fn tree(&mut self) -> &ProcessTree {
        self.tree.rescan();
        &self.tree
    }

    /// Stops everything below it. Returns the names of processes that could not be stopped, if any.
    pub(super) fn stop(&mut self) -> Option<&str> {
        self.tree.rescan();
        self.control = None;
        #[cfg(target_os = "linux")]
        if let Ok(process) = echoctl_observe::Process::open(self.process.id()) {
            // The command may have stopped its parent with SIGSTOP.
            let _ = sys::signal(&process, sys::Signal::Continue);
        }
        let deadline = Instant::now() + GRACE + KILLING + STARTING;
        loop {
            match self.reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(report) => self.note(report),
                Err(RecvTimeoutError::Disconnected) => break,
                // It hangs: its descendants become ours.
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.process.kill();
                    break;
                }
            }
        }
        if self.state == State::Running {
            self.state = State::Lost;
        }
        // Waited for only now: until then its pid, which is also its session, is not reused.
        let _ = self.process.wait();
        if self.state == State::Lost {
            self.end_orphans();
        }
        self.left.as_deref()
    }

    fn note(&mut self, report: Report) {
        match report {
            Report::Ended { success, how } => self.ended = Some(Ending { success, how }),
            Report::Left(names) => self.left = Some(names),
            Report::Over => self.state = State::Over,
            Report::Started(_) | Report::Failed { .. } => {}
        }
    }

    /// Stops what a killed supervisor leaves: known members of its tree, and children of ours that are in its session, or all of our
    /// children if they can only be the command's. Other children of ours are not touched.
    #[cfg(target_os = "linux")]
    fn end_orphans(&mut self) {
        use echoctl_observe::Process;

        use super::sys::Signal;
        let deadline = Instant::now() + KILLING;
        let session = self.process.id();
        while Instant::now() < deadline {
            let own = Process::open(std::process::id()).map(|own| own.children()).unwrap_or_default();
            let is_left = |pid: &u32| self.owns_orphans || sys::session_of(*pid) == Some(session);
            for pid in own.into_iter().filter(is_left).collect::<Vec<_>>() {
                // They exited with the supervisor, or are below it.
                let _ = self.tree.add(pid);
            }
            self.tree.rescan();
            let running: Vec<u32> = self.tree.members().map(Process::pid).collect();
            for process in self.tree.members() {
                let _ = sys::signal(process, Signal::Kill);
            }
            if running.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
            running.into_iter().for_each(sys::reap);
        }
        let names = self.tree.members().map(|process| format!("{} (pid {})", process.name(), process.pid()));
        self.left = Some(names.collect::<Vec<_>>().join(", "));
    }

    /// Other systems adopt orphans themselves.
    #[cfg(not(target_os = "linux"))]
    fn end_orphans(&mut self) {}
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads the reports of a supervisor until it exits, once its standard output has been sent to the thread.
///
/// # Errors
/// When no thread can be started.
fn follow() -> Result<(Sender<ChildStdout>, Receiver<Report>), echoctl_observe::Error> {
    let (sender, reports) = mpsc::channel();
    let (stdout_sender, stdout_receiver) = mpsc::channel::<ChildStdout>();
    start_thread("reports", move || {
        let Ok(reports) = stdout_receiver.recv() else { return };
        let mut reports = BufReader::new(reports.take(MOST_REPORTED));
        let mut line = String::new();
        while let Ok(1..) = reports.read_line(&mut line) {
            if let Some(report) = Report::parse(line.trim_end_matches('\n'))
                && sender.send(report).is_err()
            {
                break;
            }
            line.clear();
        }
    })?;
    Ok((stdout_sender, reports))
}

/// Time limit for the start of the command and for the last report: milliseconds, except on an overloaded machine.
const STARTING: Duration = Duration::from_secs(10);

/// Maximum bytes of all reports: the few lines are far shorter, and another program in its place is not to be trusted.
const MOST_REPORTED: u64 = 64 << 10;
