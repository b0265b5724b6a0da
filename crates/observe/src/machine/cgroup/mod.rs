//! Memory limits of a process's control group: a container may have far less memory than the machine.
//!
//! Version 2 has one tree, version 1 has one per resource, and some systems mount both. Limits can be set at any
//! level from the group to the root, so all levels of both versions are read, and the smallest counts:
//!
//! ```text
//! /proc/PID/cgroup     4:memory:/docker/1f…         the group
//! /proc/self/mountinfo … /docker/1f… /sys/fs/cgroup/memory … - cgroup … memory        its mount point and root
//! available at a level  limit − (usage − page cache that is not mapped)
//! ```
//!
//! Page cache does not count as usage, since the kernel reclaims it before it fails an allocation: otherwise a group
//! that has read large files would look full. The kubelet and `docker stats` exclude only its inactive part, but a
//! file that is read twice is all active: of 300 MiB, 38 MiB looked available where 298 MiB were. What programs have
//! mapped, such as their own text, does count. References: the kernel's `admin-guide/cgroup-v2.rst` ("Memory
//! Interface Files") and `admin-guide/cgroup-v1/memory.rst`; cgroups(7) for the two files in `/proc`.

use std::path::{Component, Path, PathBuf};

use crate::proc_file::read_text;

/// Memory of a control group, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cgroup {
    /// Memory that the group can still allocate: the smallest amount that any level has left; `None` without a limit.
    pub available: Option<u64>,
    /// Kernel memory of the group's sockets, if the kernel counts it.
    pub sockets: Option<u64>,
}

impl Cgroup {
    /// The group of this program; `None` if there is none.
    pub fn own() -> Option<Cgroup> {
        Cgroup::read("self")
    }

    /// The group of another process; `None` if there is none or it is not visible.
    pub(crate) fn of(pid: u32) -> Option<Cgroup> {
        Cgroup::read(&pid.to_string())
    }

    fn read(process: &str) -> Option<Cgroup> {
        let membership = read_text(format!("/proc/{process}/cgroup"))?;
        let mounts = read_text("/proc/self/mountinfo")?;
        let mut found = None;
        for mount in memory_mounts(&mounts) {
            let Some(group) = group_path(&membership, mount.version) else { continue };
            // The path may name a place that only the host sees. Then the program's own group is the root of the
            // mount, and the group of another process is unknown.
            let group = match mount.folder(group).filter(|folder| folder.is_dir()) {
                Some(folder) => folder,
                None if process == "self" => mount.point.clone(),
                None => continue,
            };
            let levels = group.ancestors().take_while(|level| level.starts_with(&mount.point));
            let left = levels.filter_map(|level| available_at(mount.version, &file_in(level))).min();
            let cgroup: &mut Cgroup = found.get_or_insert_default();
            cgroup.available = cgroup.available.into_iter().chain(left).min();
            cgroup.sockets = cgroup.sockets.or_else(|| sockets_at(mount.version, &file_in(&group)));
        }
        found
    }
}

/// The versions of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A tree of groups that can limit memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    version: Version,
    /// The mounted group: `/`, or in a container often its own group.
    root: String,
    /// The mount point.
    point: PathBuf,
}

impl Mount {
    /// The folder of a group, if it is within the mount.
    fn folder(&self, group: &str) -> Option<PathBuf> {
        let inside = Path::new(group).strip_prefix(&self.root).ok()?;
        // A group outside of this process's cgroup namespace has a path that starts with `/..`.
        let is_within = inside.components().all(|part| matches!(part, Component::Normal(_)));
        is_within.then(|| self.point.join(inside))
    }
}

/// The mounts that can limit memory, from `mountinfo`, which has lines of `id parent device root point options [tags
/// …] - type source options`.
fn memory_mounts(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let version = match (kind.next()?, kind.nth(1)?) {
            ("cgroup", options) if options.split(',').any(|option| option == "memory") => Version::One,
            ("cgroup2", _) => Version::Two,
            _ => return None,
        };
        let mut place = place.split(' ').skip(3).map(unescape);
        Some(Mount { version, root: place.next()?, point: place.next()?.into() })
    };
    text.lines().filter_map(mount).collect()
}

/// Decodes the characters that `mountinfo` writes as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    // The backslash is the last one, since decoding it may produce what looks like another of them.
    [(r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\043", "#"), (r"\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

/// The path of a process's group, from `/proc/PID/cgroup`, which has lines of `number:resources:path`. Version 2 has
/// no resources.
fn group_path(text: &str, version: Version) -> Option<&str> {
    text.lines().find_map(|line| {
        let (resources, path) = line.split_once(':')?.1.split_once(':')?;
        let counts_memory = match version {
            Version::One => resources.split(',').any(|resource| resource == "memory"),
            Version::Two => resources.is_empty(),
        };
        counts_memory.then_some(path)
    })
}

/// The text of a file of a group, by its name.
type FileText<'a> = dyn Fn(&str) -> Option<String> + 'a;

fn file_in(level: &Path) -> impl Fn(&str) -> Option<String> {
    move |name| read_text(level.join(name))
}

/// What one level has left; `None` without a limit.
fn available_at(version: Version, file: &FileText) -> Option<u64> {
    let number = |name: &str| file(name)?.trim().parse::<u64>().ok();
    let stat = file("memory.stat").unwrap_or_default();
    let (limits, usage, cache) = match version {
        // The hierarchical limit is the smallest one up to the true root, which a container does not see.
        Version::One => (
            [number("memory.limit_in_bytes"), value(&stat, "hierarchical_memory_limit")],
            "memory.usage_in_bytes",
            ["total_inactive_file", "total_active_file", "total_mapped_file"],
        ),
        // Above `high`, processes are slowed down to near standstill.
        Version::Two => (
            [number("memory.max"), number("memory.high")],
            "memory.current",
            ["inactive_file", "active_file", "file_mapped"],
        ),
    };
    let limit = limits.into_iter().flatten().filter(|&limit| limit < UNLIMITED).min()?;
    let [inactive, active, mapped] = cache.map(|name| value(&stat, name).unwrap_or(0));
    // Mapped pages include shared memory, which is in neither list.
    let cache = inactive.saturating_add(active).saturating_sub(mapped).max(inactive);
    let used = number(usage).unwrap_or(0).saturating_sub(cache);
    Some(limit.saturating_sub(used))
}

fn sockets_at(version: Version, file: &FileText) -> Option<u64> {
    match version {
        // Counted only after a limit has been set, and 0 before.
        Version::One => {
            file("memory.kmem.tcp.usage_in_bytes")?.trim().parse().ok().filter(|&bytes: &u64| bytes > 0)
        }
        Version::Two => value(&file("memory.stat")?, "sock"),
    }
}

/// A value of `memory.stat`, which has lines of `name value`.
fn value(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.trim().parse().ok()
}

/// Version 1 reports "no limit" as the largest multiple of a page below 2^63 (version 2 as `max`, which is not a
/// number). No machine has an eighth of this.
const UNLIMITED: u64 = 1 << 60;

/// Checks the promises for any text: a folder is below its mount, and what is left does not exceed the limit.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(mounts: &str, membership: &str) {
    for version in [Version::One, Version::Two] {
        let group = group_path(membership, version);
        for mount in memory_mounts(mounts) {
            let folder = group.and_then(|group| mount.folder(group));
            assert!(folder.is_none_or(|folder| folder.starts_with(&mount.point)));
        }
        // Every file of the group has one of the two texts.
        let file = |name: &str| Some(if name == "memory.stat" { mounts } else { membership }.to_owned());
        assert!(available_at(version, &file).is_none_or(|left| left < UNLIMITED));
        let _ = sockets_at(version, &file);
    }
}

#[cfg(test)]
mod tests;
