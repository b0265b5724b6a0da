//! A command line with its environment: streams, limits, control groups, user; everything before a process runs.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::sys::{self, Setup};
use super::{Ended, MemoryGroup, Running};

/// A process to start. By default, its standard input is empty, and its output is captured.
pub(crate) struct Launch {
    command: Command,
    setup: Setup,
    streams: Streams,
    stdin: Option<Stdio>,
    /// Rows and columns of the terminal, if there is one.
    size: (u16, u16),
    line: String,
}

/// The streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Streams {
    /// Two pipes, both read.
    Pipes,
    /// Two pipes, of which stdout's is not read.
    UnreadPipe,
    /// One terminal for all three, which is read.
    Terminal,
    /// One terminal for all three, which is not read.
    UnreadTerminal,
}

impl Launch {
    pub(crate) fn new(program: &Path, folder: &Path) -> Launch {
        let mut command = Command::new(program);
        // The caller's own environment must not influence a case.
        for variable in ["NO_COLOR", "COLORTERM", "ECHOCTL_ADDR", "COLUMNS"] {
            command.env_remove(variable);
        }
        command.current_dir(folder).env("TERM", "xterm-256color");
        let line = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Launch {
            command,
            setup: Setup::default(),
            streams: Streams::Pipes,
            stdin: None,
            size: (24, 100),
            line,
        }
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, arguments: &[S]) -> Launch {
        for argument in arguments {
            let word = argument.as_ref().to_string_lossy();
            self.line.push_str(&format!(" {}", word.escape_debug()));
            self.command.arg(argument);
        }
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Launch {
        self.command.env(name, value);
        self
    }

    /// Removes all environment variables.
    pub(crate) fn bare(mut self) -> Launch {
        self.command.env_clear();
        self
    }

    pub(crate) fn stdin(mut self, input: impl Into<Stdio>) -> Launch {
        self.stdin = Some(input.into());
        self
    }

    /// Runs it as another user.
    pub(crate) fn user(mut self, uid: u32) -> Launch {
        self.command.uid(uid).gid(uid);
        self
    }

    /// Limits a resource: `RLIMIT_AS` in bytes, for example.
    pub(crate) fn limit(mut self, resource: libc::__rlimit_resource_t, value: u64) -> Launch {
        self.setup.limits.push((resource, value));
        self
    }

    /// Runs it in a control group.
    pub(crate) fn group(mut self, group: &MemoryGroup) -> Result<Launch> {
        self.setup.groups.push(group.procs_file()?);
        Ok(self)
    }

    /// Does not read its stdout, like a stopped reader.
    pub(crate) fn unread(mut self) -> Launch {
        self.streams = match self.streams {
            Streams::Terminal | Streams::UnreadTerminal => Streams::UnreadTerminal,
            Streams::Pipes | Streams::UnreadPipe => Streams::UnreadPipe,
        };
        self
    }

    /// Gives it its own terminal for all three streams.
    pub(crate) fn terminal(mut self) -> Launch {
        self.streams = Streams::Terminal;
        self
    }

    /// Gives it a terminal with this many rows and columns.
    pub(crate) fn terminal_of(mut self, rows: u16, columns: u16) -> Launch {
        self.size = (rows, columns);
        self.terminal()
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Result<Running> {
        let cannot = || format!("cannot start `{}`", self.line);
        let mut terminal = None;
        if matches!(self.streams, Streams::Terminal | Streams::UnreadTerminal) {
            let (ours, theirs) = sys::open_terminal(self.size.0, self.size.1).with_context(cannot)?;
            let another = || theirs.try_clone().with_context(cannot);
            self.command.stdin(another()?).stdout(another()?).stderr(another()?);
            self.setup.session = true;
            terminal = Some(File::from(ours));
        } else {
            self.command.stdin(self.stdin.take().unwrap_or_else(Stdio::null));
            self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        sys::set_up(&mut self.command, std::mem::take(&mut self.setup));
        let child = self.command.spawn().with_context(cannot)?;
        let is_read = matches!(self.streams, Streams::Pipes | Streams::Terminal);
        Ok(Running::follow(child, terminal, is_read, self.line))
    }

    /// Starts it for its output, which another process reads. It ends once its output has no reader, or with the case.
    pub(crate) fn start_source(mut self) -> Result<ChildStdout> {
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        sys::set_up(&mut self.command, std::mem::take(&mut self.setup));
        let child = self.command.spawn().with_context(|| format!("cannot start `{}`", self.line))?;
        child.stdout.context("it has a pipe")
    }

    /// Starts it and waits until it exits.
    ///
    /// # Errors
    /// When it has not exited `within` that time.
    pub(crate) fn run(self, within: Duration) -> Result<Ended> {
        self.start()?.end(within)
    }
}
