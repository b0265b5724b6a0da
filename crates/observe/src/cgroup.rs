//! The control group of a process: the memory that a container may take, which can be far less than the machine's.
//!
//! Version 2 has one tree, version 1 one per resource, and some systems mount both. Limits can be set at any level from the
//! group to the root, so all levels of both versions are read, and the smallest counts:
//!
//! ```text
//! /proc/PID/cgroup     4:memory:/docker/1f…         which group
//! /proc/self/mountinfo … /docker/1f… /sys/fs/cgroup/memory … - cgroup … memory        where it is mounted, from which root
//! left at a level      limit − (usage − page cache that is not mapped)
//! ```
//!
//! Page cache is not usage, since the kernel takes it back before it fails an allocation: otherwise a group that has read
//! large files would look full. The kubelet and `docker stats` leave out its inactive part only, but a file that is read
//! twice is all active: of 300 MiB, 38 MiB looked left where 298 MiB were. What programs have mapped, their own text above
//! all, does count. References: the kernel's `admin-guide/cgroup-v2.rst`
//! ("Memory Interface Files") and `admin-guide/cgroup-v1/memory.rst`; cgroups(7) for the two files in `/proc`.

use std::path::{Component, Path, PathBuf};

use crate::proc_file::read_text;

/// The memory of a control group, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cgroup {
    /// The least that any level leaves to take; `None` without a limit.
    available: Option<u64>,
    /// Kernel memory of the group's sockets, where the kernel counts it.
    pub sockets: Option<u64>,
}

impl Cgroup {
    /// The group of this program. `None` where there is none.
    pub fn own() -> Option<Cgroup> {
        Cgroup::read("self")
    }

    /// The group of another process. `None` where there is none, or where it is not visible from here.
    pub(crate) fn of(pid: u32) -> Option<Cgroup> {
        Cgroup::read(&pid.to_string())
    }

    fn read(process: &str) -> Option<Cgroup> {
        let membership = read_text(format!("/proc/{process}/cgroup"))?;
        let mounts = read_text("/proc/self/mountinfo")?;
        let mut found = None;
        for mount in memory_mounts(&mounts) {
            let Some(group) = group_path(&membership, mount.version) else { continue };
            // The path may name a place that only the host sees. Then the own group is the root of what is mounted, and
            // another process's group is unknown.
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

    /// What may still be taken.
    pub fn available(&self) -> Option<u64> {
        self.available
    }
}

/// The two forms of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// A tree of groups that can limit memory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mount {
    version: Version,
    /// The group that is mounted: `/`, or in a container often that of the container.
    root: String,
    /// Where it is mounted.
    point: PathBuf,
}

impl Mount {
    /// The folder of a group, if it is within what is mounted.
    fn folder(&self, group: &str) -> Option<PathBuf> {
        let inside = Path::new(group).strip_prefix(&self.root).ok()?;
        // A group outside of this process's cgroup namespace has a path that begins with `/..`.
        let is_within = inside.components().all(|part| matches!(part, Component::Normal(_)));
        is_within.then(|| self.point.join(inside))
    }
}

/// The mounts that can limit memory, from `mountinfo`: lines of
/// `id parent device root point options [tags …] - type source options`.
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

/// `mountinfo` writes space, tab, newline and backslash as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                plain.push(code.into());
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// The path of a process's group, from `/proc/PID/cgroup`: lines of `number:resources:path`, where version 2 has no
/// resources.
fn group_path(text: &str, version: Version) -> Option<&str> {
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, resources, path) = (parts.next()?, parts.next()?, parts.next()?);
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

/// What one level leaves to take; `None` without a limit.
fn available_at(version: Version, file: &FileText) -> Option<u64> {
    let number = |name: &str| file(name)?.trim().parse::<u64>().ok();
    let stat = file("memory.stat").unwrap_or_default();
    let (limits, usage, cache) = match version {
        // The hierarchical limit is the smallest up to the true root, which a container does not see.
        Version::One => (
            [number("memory.limit_in_bytes"), value(&stat, "hierarchical_memory_limit")],
            "memory.usage_in_bytes",
            ["total_inactive_file", "total_active_file", "total_mapped_file"],
        ),
        // Above `high` processes are slowed down until they all but stand still.
        Version::Two => (
            [number("memory.max"), number("memory.high")],
            "memory.current",
            ["inactive_file", "active_file", "file_mapped"],
        ),
    };
    let limit = limits.into_iter().flatten().filter(|&limit| limit < UNLIMITED).min()?;
    let [inactive, active, mapped] = cache.map(|name| value(&stat, name).unwrap_or(0));
    // Mapped are also pages of shared memory, which are in neither list.
    let cache = inactive.saturating_add(active).saturating_sub(mapped).max(inactive);
    let used = number(usage).unwrap_or(0).saturating_sub(cache);
    Some(limit.saturating_sub(used))
}

fn sockets_at(version: Version, file: &FileText) -> Option<u64> {
    match version {
        // Counted only once a limit has been set, and 0 until then.
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

/// Version 1 reports no limit as the largest multiple of a page below 2^63 (version 2 as `max`, which is not a number). No
/// machine has an eighth of it.
const UNLIMITED: u64 = 1 << 60;

/// Any texts as the files that are read: a folder is below its mount, and what is left is within the limit.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(mounts: &str, membership: &str) {
    for version in [Version::One, Version::Two] {
        let group = group_path(membership, version);
        for mount in memory_mounts(mounts) {
            let folder = group.and_then(|group| mount.folder(group));
            assert!(folder.is_none_or(|folder| folder.starts_with(&mount.point)));
        }
        // Every file of the group has the one text or the other.
        let file = |name: &str| Some(if name == "memory.stat" { mounts } else { membership }.to_owned());
        assert!(available_at(version, &file).is_none_or(|left| left < UNLIMITED));
        let _ = sockets_at(version, &file);
    }
}

#[cfg(test)]
mod tests;
