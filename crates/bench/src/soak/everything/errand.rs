//! A short command, run to its end within a time limit.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use echoctl_observe::start_thread;
use serde_json::Value;

use super::heard::is_panic;

/// A command that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    /// `None` if a signal ended it.
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Done {
    /// Runs a command that must end within `limit` and must not panic.
    pub(super) fn run(mut command: Command, limit: Duration) -> Result<Done> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = Running(command.spawn().context("cannot start it")?);
        let (stdout, stderr) = (collect(child.0.stdout.take())?, collect(child.0.stderr.take())?);
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = child.0.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "it did not end within {limit:?}");
            thread::sleep(Duration::from_millis(10));
        };
        // Longer only if a process that it has left behind holds its output open.
        let output =
            |of: Receiver<String>| of.recv_timeout(OUTPUT_ENDS_WITHIN).context("its output did not end");
        let done = Done { code: status.code(), stdout: output(stdout)?, stderr: output(stderr)? };
        ensure!(!is_panic(&done.stderr), "it panicked: {}", done.stderr.trim());
        Ok(done)
    }

    /// Checks its exit code.
    pub(super) fn ended_with(&self, codes: &[i32]) -> Result<()> {
        match self.code {
            Some(code) if codes.contains(&code) => Ok(()),
            code => {
                let code = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
                bail!("{code}, expected {codes:?}: {} {}", self.stderr.trim(), self.last_line())
            }
        }
    }

    /// The JSON object that it printed last.
    pub(super) fn summary(&self) -> Result<Value> {
        serde_json::from_str(self.last_line()).with_context(|| format!("no summary: {}", self.stderr.trim()))
    }

    fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }
}

/// A child that does not outlive an error.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads an output to its end, and sends it.
fn collect(output: Option<impl Read + Send + 'static>) -> Result<Receiver<String>> {
    let mut output = output.context("the output is not piped")?;
    let (sender, receiver) = mpsc::channel();
    start_thread("command's output", move || {
        let mut bytes = Vec::new();
        // What was read before an error counts; no receiver means that the command has timed out.
        let _ = output.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    })?;
    Ok(receiver)
}

/// The pipes close with the process.
const OUTPUT_ENDS_WITHIN: Duration = Duration::from_secs(10);

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Done> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Done::run(command, limit)
    }

    #[test]
    fn code_and_output_of_a_command_are_returned() {
        let done = shell("echo '{\"lost\":0}'; echo oops >&2; exit 3", LONG).unwrap();

        assert_eq!(done.summary().unwrap()["lost"], 0);
        assert!(done.ended_with(&[0, 3]).is_ok());
        let wrong = done.ended_with(&[0]).unwrap_err().to_string();
        assert!(wrong.contains("exit code 3") && wrong.contains("oops"), "{wrong}");
    }

    #[test]
    fn a_hung_command_and_a_panic_are_errors() {
        let hung = shell("exec sleep 600", Duration::from_millis(50)).unwrap_err().to_string();
        assert!(hung.contains("did not end"), "{hung}");

        let panicked = shell("echo thread main panicked >&2", LONG).unwrap_err().to_string();
        assert!(panicked.contains("panicked"), "{panicked}");
    }

    const LONG: Duration = Duration::from_secs(60);
}
