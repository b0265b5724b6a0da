//! A control group with a memory limit, of version 1 or 2, which is removed on drop.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{need_root, skip, wait_until};

/// A group of processes with a memory limit.
#[derive(Debug)]
pub(crate) struct MemoryGroup {
    path: PathBuf,
    version: u8,
}

impl MemoryGroup {
    /// A new group with a limit of `bytes`, in the version that has the memory controller here.
    ///
    /// # Errors
    /// Skips the case where no group can be created.
    pub(crate) fn new(bytes: u64) -> Result<MemoryGroup> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        need_root()?;
        let name = format!("echoctl-faults-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let (version, parent) = memory_controller(&mounts, &own, |path| path.exists())
            .ok_or_else(|| skip("no control group can limit memory here"))?;
        let group = MemoryGroup { path: parent.join(name), version };
        fs::create_dir(&group.path)
            .map_err(|error| skip(format!("cannot create a control group: {error}")))?;
        let file = if version == 1 { "memory.limit_in_bytes" } else { "memory.max" };
        fs::write(group.path.join(file), bytes.to_string()).context("cannot limit a control group")?;
        // Without swap the limit is final, as in most containers. Not every kernel counts swap.
        let _ = match version {
            1 => fs::write(group.path.join("memory.memsw.limit_in_bytes"), bytes.to_string()),
            _ => fs::write(group.path.join("memory.swap.max"), "0"),
        };
        Ok(group)
    }

    /// The file through which a process joins the group.
    pub(crate) fn procs_file(&self) -> Result<File> {
        let path = self.path.join("cgroup.procs");
        OpenOptions::new().write(true).open(&path).with_context(|| format!("cannot open {}", path.display()))
    }

    /// How many processes of the group the kernel has killed because of its limit.
    pub(crate) fn killed(&self) -> u64 {
        let file = if self.version == 1 { "memory.oom_control" } else { "memory.events" };
        let text = fs::read_to_string(self.path.join(file)).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A group can be removed once its last process has exited, which takes the kernel a moment.
        wait_until(Duration::from_secs(5), || fs::remove_dir(&self.path).is_ok());
    }
}

/// The version that limits memory, and the directory in which a group can be created.
fn memory_controller(mounts: &str, own: &str, exists: impl Fn(&Path) -> bool) -> Option<(u8, PathBuf)> {
    for line in mounts.lines() {
        let (front, back) = line.split_once(" - ")?;
        let point = Path::new(front.split(' ').nth(4)?);
        let mut back = back.split(' ');
        let (kind, options) = (back.next()?, back.nth(1).unwrap_or_default());
        if kind == "cgroup" && options.split(',').any(|option| option == "memory") {
            return Some((
                1,
                inside(point, own, |names| names.split(',').any(|name| name == "memory"), &exists),
            ));
        }
        // The root of version 2 offers the controller to groups below it, if it is delegated.
        if kind == "cgroup2" && exists(&point.join("cgroup.subtree_control")) {
            let handed = fs::read_to_string(point.join("cgroup.subtree_control")).unwrap_or_default();
            if handed.split_whitespace().any(|name| name == "memory") {
                return Some((2, point.to_owned()));
            }
        }
    }
    None
}

/// Our own group below a mount point of version 1, so that its limits apply too.
fn inside(
    point: &Path,
    own: &str,
    is_wanted: impl Fn(&str) -> bool,
    exists: impl Fn(&Path) -> bool,
) -> PathBuf {
    let of_line = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next()?, fields.next()?);
        is_wanted(names).then(|| point.join(path.trim_start_matches('/')))
    };
    own.lines().find_map(of_line).filter(|path| exists(path)).unwrap_or_else(|| point.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_group_of_version_1_is_found() {
        let mounts = "30 20 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      31 20 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";
        let own = "5:cpu:/\n4:memory:/a/b\n0::/\n";

        let found = memory_controller(mounts, own, |_| true);

        assert_eq!(found, Some((1, PathBuf::from("/sys/fs/cgroup/memory/a/b"))));
        let outside = memory_controller(mounts, own, |_| false);
        assert_eq!(outside, Some((1, PathBuf::from("/sys/fs/cgroup/memory"))));
    }

    #[test]
    fn without_a_memory_controller_none_is_found() {
        let mounts = "29 20 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n";

        assert_eq!(memory_controller(mounts, "", |_| true), None);
    }
}
