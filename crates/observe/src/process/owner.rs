//! A process by its pid and its name.
//!
//! The kernel's name of a process has at most 15 bytes. Where that cuts the name of its program off, the whole name is taken from its
//! arguments or its executable. A process is found by any of these names: a server in a scripting language may have only one of
//! them in common with its service (`gunicorn`, run by `python3`).

use std::fmt::Write;
use std::fs;
use std::path::Path;

use echoctl_record::printable;

use super::one_process::path;
use super::pids;
use super::text::Stat;
use crate::proc_file::{read_bytes, read_text};

/// A process that has a socket open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its pid.
    pub pid: u32,
    /// The name of its program, as the program gave it: it may contain control characters.
    pub name: String,
}

impl Owner {
    /// The process with this pid; `None` if it has exited or is hidden.
    pub fn of(pid: u32) -> Option<Owner> {
        Owner::with_start(pid).map(|(owner, _)| owner)
    }

    /// The same, with the time at which it started, in a unit of the system.
    pub(super) fn with_start(pid: u32) -> Option<(Owner, u64)> {
        let stat = Stat::parse(&read_bytes(path(pid, "stat"))?)?;
        let name =
            if stat.name.len() < MAX_KERNEL_NAME { None } else { whole_name(&stat.name, &programs(pid)) };
        Some((Owner { pid, name: name.unwrap_or(stat.name) }, stat.started))
    }

    /// All other processes that have this name, lowest pid first: the kernel's, or that of their executable or of the program in their
    /// arguments.
    pub fn named(name: &str) -> Vec<Owner> {
        let mut pids: Vec<u32> =
            pids().filter(|pid| *pid != std::process::id() && is_named(*pid, name)).collect();
        pids.sort_unstable();
        pids.into_iter().filter_map(Owner::of).collect()
    }

    /// A process with a thread of this name.
    pub fn of_thread_named(name: &str) -> Option<Owner> {
        let is_named = |thread: fs::DirEntry| {
            let text = read_text(thread.path().join("comm"));
            text.is_some_and(|text| text.strip_suffix('\n') == Some(name))
        };
        let threads = |pid| fs::read_dir(path(pid, "task")).into_iter().flatten().flatten();
        pids().find(|pid| threads(*pid).any(is_named)).and_then(Owner::of)
    }
}

/// Processes in one line, those with the same name together and of each at most three: `nginx (pid 12, 13, 14 and 5 more), sh (pid 7)`
pub fn owners_text<'a>(owners: impl IntoIterator<Item = &'a Owner>) -> String {
    let mut by_name: Vec<(&str, Vec<u32>)> = Vec::new();
    for owner in owners {
        match by_name.iter_mut().find(|(name, _)| *name == owner.name) {
            Some((_, pids)) if pids.contains(&owner.pid) => {}
            Some((_, pids)) => pids.push(owner.pid),
            None => by_name.push((&owner.name, vec![owner.pid])),
        }
    }
    let mut text = String::new();
    for (name, pids) in by_name {
        let joint = if text.is_empty() { "" } else { ", " };
        let shown: Vec<String> = pids.iter().take(MAX_PIDS).map(u32::to_string).collect();
        let _ = write!(text, "{joint}{} (pid {}", printable(name), shown.join(", "));
        if pids.len() > MAX_PIDS {
            let _ = write!(text, " and {} more", pids.len() - MAX_PIDS);
        }
        text.push(')');
    }
    text
}

/// Whether a process has this name.
fn is_named(pid: u32, name: &str) -> bool {
    let Some(stat) = read_bytes(path(pid, "stat")).and_then(|text| Stat::parse(&text)) else { return false };
    let programs = programs(pid);
    // The second argument is the program only if the kernel's name is that of a script.
    stat.name == name
        || programs.executable.as_deref() == Some(name)
        || programs.arguments.first().is_some_and(|program| program == name)
        || whole_name(&stat.name, &programs).is_some_and(|whole| whole == name)
}

/// Where the name of a program may be found. File names, without folders.
#[derive(Debug, Default)]
struct Programs {
    /// That of the executable; `None` for another user's process.
    executable: Option<String>,
    /// The first two arguments: that of a script is the second one, after its interpreter.
    arguments: Vec<String>,
}

fn programs(pid: u32) -> Programs {
    let executable = fs::read_link(path(pid, "exe")).ok();
    let arguments = read_bytes(path(pid, "cmdline")).unwrap_or_default();
    let arguments = arguments.split(|byte| *byte == 0).take(2);
    Programs {
        // After an update the running program is no longer in the file system.
        executable: executable.and_then(|file| file_name(&file)).map(|name| {
            match name.strip_suffix(" (deleted)") {
                Some(name) => name.to_owned(),
                None => name,
            }
        }),
        arguments: arguments
            .filter_map(|text| file_name(Path::new(&*String::from_utf8_lossy(text))))
            .collect(),
    }
}

fn file_name(path: &Path) -> Option<String> {
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// The name that the kernel has cut off, if it is one of these.
fn whole_name(kernel_name: &str, programs: &Programs) -> Option<String> {
    if kernel_name.len() < MAX_KERNEL_NAME {
        return None;
    }
    let mut all = programs.executable.iter().chain(&programs.arguments);
    all.find(|program| program.starts_with(kernel_name)).cloned()
}

/// Bytes. `TASK_COMM_LEN` of the kernel, without its terminating zero.
const MAX_KERNEL_NAME: usize = 15;

/// Number of pids that are listed per name: more make a line too long.
const MAX_PIDS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(pid: u32, name: &str) -> Owner {
        Owner { pid, name: name.to_owned() }
    }

    #[test]
    fn processes_of_one_name_are_listed_together() {
        let workers: Vec<Owner> = (12..20).map(|pid| owner(pid, "nginx")).collect();

        assert_eq!(owners_text(&workers[..1]), "nginx (pid 12)");
        assert_eq!(owners_text(&workers[..3]), "nginx (pid 12, 13, 14)");
        assert_eq!(
            owners_text(workers.iter().chain([&owner(7, "sh"), &owner(12, "nginx")])),
            "nginx (pid 12, 13, 14 and 5 more), sh (pid 7)"
        );
        assert_eq!(owners_text(&[owner(1, "\u{1b}[2J\n")]), "␛[2J␊ (pid 1)");
    }

    #[test]
    fn a_name_that_the_kernel_cuts_off_is_completed() {
        let programs = |executable: Option<&str>, arguments: &[&str]| Programs {
            executable: executable.map(str::to_owned),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
        };
        let whole = |programs| whole_name("prometheus-node", &programs);

        assert_eq!(
            whole(programs(Some("prometheus-node-exporter"), &[])).as_deref(),
            Some("prometheus-node-exporter")
        );
        let script = programs(Some("python3.11"), &["python3", "prometheus-node-thing.py"]);
        assert_eq!(whole(script).as_deref(), Some("prometheus-node-thing.py"));
        assert_eq!(whole(programs(Some("other"), &[])), None);
        assert_eq!(whole_name("nginx", &programs(Some("nginx-debug"), &[])), None, "it is whole");
    }
}
