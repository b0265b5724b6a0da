//! The control group: the memory that a container may take, which can be far less than the machine's.
//!
//! Version 2 has one tree, version 1 one for each resource; some systems have both mounted. A limit may stand at any level
//! between the group and the root, so all are asked and the tightest counts.

use std::path::{Path, PathBuf};

/// The memory of a control group, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cgroup {
    /// The least that any level leaves to take; `None` without a limit.
    left: Option<u64>,
    /// Kernel memory of the group's sockets, where the kernel counts it.
    pub sockets: Option<u64>,
}

impl Cgroup {
    /// The group of this program. `None` where there is none.
    pub fn own() -> Option<Cgroup> {
        let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let (version, path) = memory_group(&text)?;
        let root = Path::new(match version {
            Version::One => "/sys/fs/cgroup/memory",
            Version::Two => "/sys/fs/cgroup",
        });
        let group = root.join(path.trim_start_matches('/'));
        // Inside a container the path may name a place that only the host sees: then the root is the own group.
        let group = if group.is_dir() { group } else { root.to_owned() };
        let levels = || group.ancestors().take_while(|level| level.starts_with(root));
        Some(Cgroup {
            left: levels().filter_map(|level| left_at(level, version)).min(),
            sockets: sockets_at(&group, version),
        })
    }

    /// What may still be taken.
    pub fn left(&self) -> Option<u64> {
        self.left
    }
}

/// Which form of control groups counts memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The group that counts this process's memory, from `/proc/self/cgroup`: lines of `number:resources:path`.
fn memory_group(text: &str) -> Option<(Version, &str)> {
    let mut unified = None;
    for line in text.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, Some(resources), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if resources.split(',').any(|resource| resource == "memory") {
            return Some((Version::One, path));
        }
        if resources.is_empty() {
            unified = Some((Version::Two, path));
        }
    }
    unified
}

fn left_at(level: &Path, version: Version) -> Option<u64> {
    let (limit, used) = match version {
        Version::One => ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        Version::Two => ("memory.max", "memory.current"),
    };
    let limit = number(level.join(limit)).filter(|&limit| limit < UNLIMITED)?;
    Some(limit.saturating_sub(number(level.join(used)).unwrap_or(0)))
}

fn sockets_at(group: &Path, version: Version) -> Option<u64> {
    match version {
        // Counted only once somebody has set a limit, and 0 until then.
        Version::One => number(group.join("memory.kmem.tcp.usage_in_bytes")).filter(|&bytes| bytes > 0),
        Version::Two => {
            let stat = std::fs::read_to_string(group.join("memory.stat")).ok()?;
            stat.lines().find_map(|line| line.strip_prefix("sock "))?.trim().parse().ok()
        }
    }
}

/// A file with one number in it; `max`, as version 2 says for no limit, is none.
fn number(path: PathBuf) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Version 1 says the largest multiple of a page below 2^63 where there is no limit. No machine has an eighth of it.
const UNLIMITED: u64 = 1 << 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_counts_memory_is_found() {
        let both = "9:name=systemd:/\n8:pids:/\n4:memory:/jobs/a:b\n0::/\n";
        let unified = "0::/user.slice/session.scope\n";
        let joined = "5:cpuset,memory:/x\n";

        assert_eq!(memory_group(both), Some((Version::One, "/jobs/a:b")));
        assert_eq!(memory_group(unified), Some((Version::Two, "/user.slice/session.scope")));
        assert_eq!(memory_group(joined), Some((Version::One, "/x")));
        assert_eq!(memory_group("nonsense\n\n1:\n"), None);
    }

    #[test]
    fn the_limit_of_a_level_is_what_is_left_of_it() {
        let level = std::env::temp_dir().join(format!("echoctl-cgroup-{}", std::process::id()));
        std::fs::create_dir_all(&level).unwrap();
        let write = |name: &str, text: &str| std::fs::write(level.join(name), text).unwrap();
        write("memory.max", "1000000\n");
        write("memory.current", "400000\n");
        write("memory.stat", "anon 1\nsock 8192\nshmem 0\n");
        write("memory.limit_in_bytes", "9223372036854771712\n");

        assert_eq!(left_at(&level, Version::Two), Some(600_000));
        assert_eq!(sockets_at(&level, Version::Two), Some(8192));
        assert_eq!(left_at(&level, Version::One), None, "that number means no limit");
        write("memory.max", "max\n");
        assert_eq!(left_at(&level, Version::Two), None);
        std::fs::remove_dir_all(&level).unwrap();
    }
}
