//! A program that runs during the whole soak, and must end as it began.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use echoctl_observe::{Process, start_thread};

use super::heard::{Ear, Heard};
use crate::calls::interrupt;
use crate::soak::Resources;
use crate::soak::readings::Readings;
use crate::soak::resources::own_threads;

/// A running program. Dropping it kills it; [`stop`](Resident::stop) checks how it ends.
pub(super) struct Resident {
    /// Its name in the table.
    pub(super) name: String,
    /// Its resources, before the first round and after each.
    pub(super) readings: Readings,
    child: Child,
    process: Process,
    ear: Arc<Ear>,
}

impl Resident {
    /// Starts it, and waits until what it has printed suffices.
    pub(super) fn start(
        name: &str,
        mut command: Command,
        is_ready: impl Fn(&Heard) -> bool,
    ) -> Result<Resident> {
        // It ends when its stdin is closed, even if this process is killed.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let ear = Arc::<Ear>::default();
        listen(child.stdout.take(), &ear)?;
        listen(child.stderr.take(), &ear)?;
        let process = Process::open(child.id())?;
        let resident = Resident { name: name.to_owned(), readings: Readings::default(), child, process, ear };
        let is_answered =
            resident.ear.wait_for(STARTS_WITHIN, |heard| is_ready(heard) || heard.error.is_some());
        if let Some(error) = &resident.heard().error {
            bail!("cannot start {name}: {error}");
        }
        ensure!(is_answered, "{name} was not ready within {STARTS_WITHIN:?}");
        Ok(resident)
    }

    /// What it has printed so far.
    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.ear.heard()
    }

    /// What it occupies now.
    pub(super) fn resources(&mut self) -> Result<Resources> {
        let exited = || format!("'{}' has exited", self.name);
        Ok(Resources {
            memory: self.process.memory().with_context(exited)?.anonymous,
            descriptors: self.process.open_files().with_context(exited)?,
            threads: own_threads(&self.process).with_context(exited)?,
            ..Resources::default()
        })
    }

    /// Interrupts it as Ctrl-C does. Returns what was wrong with its life and its end.
    pub(super) fn stop(mut self) -> Vec<String> {
        let mut wrong = self.heard().panics.clone();
        match self.ending() {
            Ok(status) if status.success() => {}
            Ok(status) => wrong.push(format!("it ended with {status}")),
            Err(error) => wrong.push(format!("{error:#}")),
        }
        wrong.into_iter().map(|what| format!("{}: {what}", self.name)).collect()
    }

    fn ending(&mut self) -> Result<ExitStatus> {
        interrupt(&mut self.child)?;
        let deadline = Instant::now() + ENDS_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "it did not end within {ENDS_WITHIN:?} of an interrupt");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        // Both fail only if it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads one of its outputs to the end, so that it never blocks on it.
fn listen(output: Option<impl Read + Send + 'static>, ear: &Arc<Ear>) -> Result<()> {
    let output = output.context("the output is not piped")?;
    let ear = Arc::clone(ear);
    start_thread("resident's output", move || {
        BufReader::new(output).lines().map_while(Result::ok).for_each(|line| ear.note(&line));
    })?;
    Ok(())
}

/// A loaded machine may take seconds to start a dozen processes.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// More than the 5 s for which a server delivers pending replies at its end.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;

    use super::*;

    /// A shell that prints `ready`, does what `script` says, and then exits at an interrupt.
    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            &format!("trap 'exit 0' INT; echo {READY}; {script}; while :; do sleep 0.01; done"),
        ]);
        command
    }

    const READY: &str = r#"'{"event":"listening","addr":"127.0.0.1:1"}'"#;

    #[test]
    fn a_resident_that_ends_well_is_no_finding() {
        let resident = Resident::start("shell", shell("true"), |heard| heard.echo.is_some()).unwrap();

        assert_eq!(resident.stop(), Vec::<String>::new());
    }

    #[test]
    fn a_panic_and_a_bad_end_are_findings() {
        // It is interrupted as soon as the panic is heard.
        let script = "trap 'exit 3' INT; echo thread main panicked >&2";
        let resident = Resident::start("shell", shell(script), |heard| !heard.panics.is_empty()).unwrap();

        let wrong = resident.stop();

        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong[0].contains("panicked") && wrong[1].contains('3'), "{wrong:?}");
    }

    #[test]
    fn a_descriptor_that_is_not_closed_shows_in_a_process() {
        let mut folder = tempfile::NamedTempFile::new().unwrap();
        folder.write_all(b"x").unwrap();
        let script =
            format!("while [ -s {} ]; do sleep 0.01; done; exec 7</dev/null", folder.path().display());
        let mut resident = Resident::start("shell", shell(&script), |heard| heard.echo.is_some()).unwrap();
        let before = resident.resources().unwrap();
        folder.as_file().set_len(0).unwrap();

        echoctl_testkit::eventually("a descriptor more", || {
            let now = resident.resources().unwrap();
            (now.descriptors == before.descriptors + 1).then_some(())
        });
    }
}
