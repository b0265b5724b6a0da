//! A command of echoctl that reports what it does while it runs.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use echoctl_observe::Process;
use serde_json::Value;

use crate::server::Programs;

/// A running command of echoctl that prints JSON events. It is killed on drop.
pub(crate) struct EventStream {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl EventStream {
    /// Starts `echoctl` with these arguments. Its events have to be read all the time, or it waits.
    pub(crate) fn start(programs: &Programs, arguments: &[&str]) -> Result<EventStream> {
        let mut command = Command::new(programs.path("echoctl"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().with_context(|| format!("cannot start echoctl {}", arguments[0]))?;
        let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        Ok(EventStream { child, lines })
    }

    /// Waits for the next event of this name.
    pub(crate) fn next(&mut self, name: &str) -> Result<Value> {
        loop {
            let line = self.lines.next().with_context(|| format!("it has ended without '{name}'"))??;
            let event: Value = serde_json::from_str(&line).context("it printed something else than JSON")?;
            if event["event"] == name {
                return Ok(event);
            }
        }
    }

    pub(crate) fn process(&self) -> Result<Process> {
        Ok(Process::open(self.child.id())?)
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
