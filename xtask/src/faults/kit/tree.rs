//! The processes below this one, as `/proc` shows them.
//!
//! This process adopts orphans, so all processes of a case stay below it however often they fork: those that still run after
//! the case were left behind by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use super::{sys, wait_until};

/// The living processes below this one, without zombies.
pub(crate) fn descendants() -> BTreeSet<u32> {
    below(&processes(), std::process::id())
}

/// Kills every process below this one and reaps them. Returns those that still run after 10 s.
pub(crate) fn end_all() -> BTreeSet<u32> {
    // A process may start another one while it is killed, so this repeats until none is left.
    wait_until(Duration::from_secs(10), || {
        for pid in descendants() {
            // It may have exited meanwhile, which is fine.
            let _ = sys::signal(pid, libc::SIGKILL);
        }
        sys::reap_all();
        descendants().is_empty()
    });
    descendants()
}

/// Waits until no process but `known` is left below this one. Returns the command lines of the others.
pub(crate) fn left_behind(known: &BTreeSet<u32>, within: Duration) -> Vec<String> {
    let strangers = || descendants().difference(known).copied().collect::<Vec<_>>();
    wait_until(within, || strangers().is_empty());
    strangers().into_iter().map(|pid| format!("{pid} ({})", command_line(pid))).collect()
}

/// Whether a process is running.
pub(crate) fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|(_, state)| is_living(state))
}

/// Anonymous memory of a process, in bytes: `RssAnon` of `/proc/PID/status`.
pub(crate) fn anonymous_memory(pid: u32) -> Option<u64> {
    anonymous(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn anonymous(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

pub(crate) fn command_line(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ").trim().escape_debug().to_string()
}

/// Each running process with its parent.
fn processes() -> BTreeMap<u32, u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let living = |pid| state(pid).filter(|(_, state)| is_living(*state)).map(|(parent, _)| (pid, parent));
    pids.filter_map(living).collect()
}

fn is_living(state: char) -> bool {
    !matches!(state, 'Z' | 'X')
}

fn state(pid: u32) -> Option<(u32, char)> {
    parse_state(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Parent and state from `/proc/PID/stat`. The name before them may contain any character, parentheses and blanks too.
fn parse_state(stat: &str) -> Option<(u32, char)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

fn below(parents: &BTreeMap<u32, u32>, root: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        let children = parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid);
        open.extend(children.filter(|pid| found.insert(*pid)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_generations_below_a_process_are_found() {
        let parents = BTreeMap::from([(10, 1), (11, 10), (12, 11), (13, 1), (14, 13)]);

        assert_eq!(below(&parents, 10), BTreeSet::from([11, 12]));
        assert!(below(&parents, 12).is_empty());
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        assert_eq!(parse_state("7 (a) S 9 (b) R 3 7 7 0"), Some((3, 'R')));
        assert_eq!(parse_state("7 (a"), None);
    }

    #[test]
    fn anonymous_memory_is_read_in_bytes() {
        assert_eq!(anonymous("VmRSS:\t 9 kB\nRssAnon:\t     132 kB\n"), Some(132 * 1024));
        assert_eq!(anonymous("VmRSS: 9 kB\n"), None);
    }
}
