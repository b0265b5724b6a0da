//! Processes and temporary files that the soak's programs may leave behind.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use echoctl_observe::Process;

/// A folder for the temporary files of all programs, empty at first. It is deleted on drop.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Scratch> {
        let path = env::temp_dir().join(format!("echoctl-soak-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Scratch(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What is in the folder.
    pub(super) fn entries(&self) -> Result<Vec<String>> {
        let entries = fs::read_dir(&self.0).with_context(|| format!("cannot list {}", self.0.display()))?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover is one folder of temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes this process the parent of its descendants' orphans, so that [`descendants`] finds them.
#[cfg(target_os = "linux")]
pub(super) fn adopt_orphans() -> Result<()> {
    let own = Some(rustix::process::getpid());
    rustix::process::set_child_subreaper(own).context("cannot adopt the orphans of the soak's programs")
}

/// Elsewhere only processes whose parents are alive are found.
#[cfg(not(target_os = "linux"))]
pub(super) fn adopt_orphans() -> Result<()> {
    Ok(())
}

/// The running descendants of a process, by name and pid, once there are none or after a deadline.
pub(super) fn left_by(pid: u32) -> Vec<String> {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let left = descendants(pid);
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn descendants(pid: u32) -> Vec<String> {
    let Ok(process) = Process::open(pid) else { return Vec::new() };
    let mut found = Vec::new();
    for child in process.children() {
        // One that has exited, and that no process has waited for yet, does not open.
        found.extend(Process::open(child).map(|child| format!("{} ({})", child.name(), child.pid())));
        found.extend(descendants(child));
    }
    found
}

/// Processes that are ending need milliseconds.
const GONE_WITHIN: Duration = Duration::from_secs(10);

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use echoctl_testkit::eventually;

    use super::*;

    #[test]
    fn a_temporary_file_is_found_and_deleted() {
        let scratch = Scratch::new().unwrap();
        assert!(scratch.entries().unwrap().is_empty());

        fs::write(scratch.path().join("left"), "").unwrap();

        assert_eq!(scratch.entries().unwrap(), ["left"]);
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn a_process_left_behind_is_found_until_it_ends() {
        // A shell with a child, which ends with the shell's stdin.
        let mut shell = Command::new("sh").args(["-c", "cat; true"]).stdin(Stdio::piped()).spawn().unwrap();

        // Between fork and exec the child is a shell, too.
        eventually("the child of the shell", || {
            descendants(shell.id()).first()?.starts_with("cat (").then_some(())
        });

        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(left_by(shell.id()), Vec::<String>::new());
    }
}
