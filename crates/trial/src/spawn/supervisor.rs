//! The parent's side of a supervisor: starts it, reads its reports, and makes it stop everything.
//!
//! The supervisor runs until its standard input is closed, which happens when this process ends in any way. Then it stops all its
//! descendants. If the supervisor itself is killed, its orphans become children of this process, which adopts orphans for this
//! purpose and stops them instead.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use echoctl_observe::{ProcessTree, start_thread};

use super::output::Output;
use super::supervise::{Ending, GRACE, KILLING, Report};
use super::sys;

/// A supervisor and its command.
#[derive(Debug)]
pub(super) struct Supervisor {
    process: Child,
    /// Open as long as the target is to run.
    control: Option<ChildStdin>,
    reports: Receiver<Report>,
    /// The last output of the command.
    pub(super) output: Output,
    /// The pid of the command, which may have exited.
    pub(super) command: u32,
    ended: Option<Ending>,
    /// Whether it has finished: then it has no descendants.
    is_over: bool,
    /// Its descendants, as last seen.
    tree: ProcessTree,
    /// Whether every orphan that this process inherits is one of them.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere orphans are the system's"))]
    owns_orphans: bool,
    /// Processes that could not be stopped, by name and pid.
    left: Option<String>,
}

impl Supervisor {
    /// Starts `program` (with its first arguments), which must call [`supervise`](super::supervise()) with `command`. `environment`
    /// is added for the command. With `owns_orphans` this process has no other children.
    ///
    /// # Errors
    /// The system's error for the supervisor or for the command.
    pub(super) fn start(
        program: &[OsString],
        command: &[OsString],
        environment: &[(&str, impl AsRef<OsStr>)],
        owns_orphans: bool,
    ) -> io::Result<Supervisor> {
        let (path, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        // Before the process, which would be left behind if it could not be followed.
        let tree = ProcessTree::new([]).map_err(io::Error::other)?;
        let (stdout, its_stdout) = io::pipe()?;
        let reports = follow(stdout).map_err(io::Error::other)?;
        let (printed, its_output) = io::pipe()?;
        let output = Output::follow(printed).map_err(io::Error::other)?;
        sys::adopt_orphans();
        let mut process = Command::new(path)
            .args(arguments)
            .args(command)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(its_stdout)
            .stderr(its_output)
            .spawn()
            .map_err(|error| io::Error::other(format!("cannot start its supervisor: {error}")))?;
        // Only now, because the command has to inherit the limit of this process.
        // Each process of a tree takes a few files. If the limit stays, fewer processes can be followed.
        let _ = echoctl_observe::raise_descriptor_limit();
        let control = process.stdin.take();
        let mut supervisor = Supervisor {
            process,
            control,
            reports,
            output,
            command: 0,
            ended: None,
            is_over: false,
            tree,
            owns_orphans,
            left: None,
        };
        let first = supervisor.reports.recv_timeout(STARTING);
        // It may have exited since, and a system that does not list descendants has none to show.
        let _ = supervisor.tree.add_below(supervisor.pid());
        match first {
            Ok(Report::Started(pid)) => supervisor.command = pid,
            Ok(Report::Failed { code }) if code != 0 => return Err(io::Error::from_raw_os_error(code)),
            _ => return Err(io::Error::other("its supervisor did not start it")),
        }
        Ok(supervisor)
    }

    /// Its pid.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How the command exited, if it has, or that it is not known any more.
    pub(super) fn ended(&mut self) -> Option<&Ending> {
        while self.read_report(Duration::ZERO).is_ok() {}
        self.ended.as_ref()
    }

    /// The running processes below it.
    pub(super) fn tree(&mut self) -> &ProcessTree {
        self.tree.rescan();
        &self.tree
    }

    /// Stops everything below it. Returns the names of processes that could not be stopped, if any.
    pub(super) fn stop(&mut self) -> Option<String> {
        self.tree.rescan();
        self.control = None;
        #[cfg(target_os = "linux")]
        if let Ok(process) = echoctl_observe::Process::open(self.process.id()) {
            // The command may have stopped its parent with SIGSTOP.
            sys::signal(&process, sys::Signal::Continue);
        }
        let deadline = Instant::now() + GRACE + KILLING + STARTING;
        let end = loop {
            if let Err(end) = self.read_report(deadline.saturating_duration_since(Instant::now())) {
                break end;
            }
        };
        if end == RecvTimeoutError::Timeout {
            // It hangs: its descendants become ours.
            let _ = self.process.kill();
        }
        // Waited for only now: until then its pid, which is also its session, is not reused.
        let _ = self.process.wait();
        if !self.is_over {
            self.end_orphans();
        }
        self.left.take()
    }

    /// Reads its next report if it arrives in time.
    fn read_report(&mut self, timeout: Duration) -> Result<(), RecvTimeoutError> {
        match self.reports.recv_timeout(timeout) {
            Ok(Report::Ended(ending)) => self.ended = Some(ending),
            Ok(Report::Left(names)) => self.left = Some(names),
            Ok(Report::Over) => self.is_over = true,
            Ok(Report::Started(_) | Report::Failed { .. }) => {}
            Err(error) => {
                if error == RecvTimeoutError::Disconnected && !self.is_over {
                    self.ended = Some(Ending { success: false, how: "its supervisor was killed".to_owned() });
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Stops what a killed supervisor leaves: known members of its tree, and children of ours that are in its session, or all of our
    /// children if they can only be the command's. Other children of ours are not touched.
    #[cfg(target_os = "linux")]
    fn end_orphans(&mut self) {
        use echoctl_observe::Process;

        use super::descendants::names;
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
                sys::signal(process, Signal::Kill);
            }
            if running.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
            running.into_iter().for_each(sys::reap);
        }
        self.left = Some(names(self.tree.members()));
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

/// Reads the reports of a supervisor until it exits.
///
/// # Errors
/// When no thread can be started.
fn follow(stdout: PipeReader) -> Result<Receiver<Report>, echoctl_observe::Error> {
    let (sender, reports) = mpsc::channel();
    start_thread("reports", move || {
        let lines = BufReader::new(stdout.take(MOST_REPORTED)).lines().map_while(Result::ok);
        for report in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
            // The receiver is gone once the supervisor has been stopped.
            let _ = sender.send(report);
        }
    })?;
    Ok(reports)
}

/// Time limit for the start of the command and for the last report: milliseconds, except on an overloaded machine.
const STARTING: Duration = Duration::from_secs(10);

/// Maximum bytes of all reports: the few lines are far shorter, and another program in its place is not to be trusted.
const MOST_REPORTED: u64 = 64 << 10;
