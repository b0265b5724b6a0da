//! Processes under test: killed when the test is over, signalled by name, and what Linux shows of them.

use std::process::{Child, Command, ExitStatus};

use crate::{Wait, eventually};

/// A child process that is killed when the test is over.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    #[track_caller]
    pub fn start(command: &mut Command) -> Running {
        Running(command.spawn().expect("the program is there"))
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal, such as `INT`. The process may have exited because of an earlier one.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Whether it has not exited.
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().expect("it is our child").is_none()
    }

    /// Waits until it exits because of `what`.
    #[track_caller]
    pub fn end(&mut self, what: &str) -> ExitStatus {
        eventually(&format!("it ends: {what}"), || self.0.try_wait().expect("it is our child"))
    }

    /// Waits until a condition of the process holds, and fails at once if it exits.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, is_so: impl Fn(u32) -> bool) {
        let mut wait = Wait::new(what);
        while wait.check(is_so(self.pid())).is_none() {
            assert!(self.is_running(), "it ended before {what}");
            std::thread::sleep(crate::PAUSE);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal, such as `INT`, to a process that the test has started. It may have exited.
pub fn signal(pid: u32, name: &str) {
    Command::new("kill").args(["-s", name, &pid.to_string()]).output().expect("kill is there");
}

/// Whether a process is running. A zombie is not.
pub fn is_running(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Whether the main thread of a process waits for something.
pub fn is_waiting(pid: u32) -> bool {
    state(pid) == Some('S')
}

/// Whether a process is suspended, as by Ctrl-Z.
pub fn is_suspended(pid: u32) -> bool {
    state(pid) == Some('T')
}

/// Whether a process handles Ctrl-C; before that, a signal kills it.
pub fn catches_interrupts(pid: u32) -> bool {
    let mask = field(pid, "status", "SigCgt:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    mask.is_some_and(|mask| mask & 0b10 != 0)
}

/// How often the main thread of a process has gone to sleep.
pub fn sleeps(pid: u32) -> u64 {
    number(pid, "status", "voluntary_ctxt_switches:")
}

/// The number of read calls of a process.
pub fn reads(pid: u32) -> u64 {
    number(pid, "io", "syscr:")
}

fn state(pid: u32) -> Option<char> {
    field(pid, "status", "State:")?.chars().next()
}

/// 0 if the process has exited.
fn number(pid: u32, file: &str, name: &str) -> u64 {
    field(pid, file, name).and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn field(pid: u32, file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_is_killed() {
        let mut running = Running::start(Command::new("sleep").arg("1000"));
        let pid = running.pid();
        running.wait_until("it sleeps", is_waiting);

        drop(running);

        assert!(!is_running(pid));
    }

    #[test]
    fn a_signal_ends_a_process() {
        let mut running = Running::start(Command::new("sleep").arg("1000"));

        running.signal("TERM");

        assert_eq!(running.end("SIGTERM").code(), None);
    }
}
