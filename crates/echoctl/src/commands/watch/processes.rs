//! The processes behind the sockets of one sample: their names, and whether they are suspended.

use std::collections::HashMap;

use echoctl_observe::{Process, SocketOwners};

/// The processes of one sample. Whether one is suspended is asked once for all of its connections.
#[derive(Debug)]
pub(super) struct Processes<'a> {
    pub(super) owners: &'a SocketOwners,
    suspended: HashMap<u32, bool>,
}

impl<'a> Processes<'a> {
    pub(super) fn new(owners: &'a SocketOwners) -> Processes<'a> {
        Processes { owners, suspended: HashMap::new() }
    }

    /// Whether all processes that have this socket open are suspended, by a signal (SIGSTOP, Ctrl-Z) or a debugger. `false` if none is
    /// visible.
    pub(super) fn are_suspended(&mut self, inode: u32) -> bool {
        let is_suspended = |pid| Process::open(pid).is_ok_and(|process| process.is_suspended());
        let suspended = &mut self.suspended;
        let mut owners = self.owners.owners(inode).peekable();
        owners.peek().is_some()
            && owners.all(|owner| *suspended.entry(owner.pid).or_insert_with(|| is_suspended(owner.pid)))
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::process::{Command, Stdio};

    use echoctl_testkit::{Running, eventually};

    use super::*;

    #[test]
    fn a_socket_is_suspended_if_all_its_processes_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = std::fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let digits: String = name.to_str().unwrap().chars().filter(char::is_ascii_digit).collect();
        let inode = digits.parse().unwrap();
        let mut command = Command::new("sleep");
        command.arg("3600").stdin(Stdio::from(OwnedFd::from(listener)));
        let child = Running::start(&mut command);
        drop(command);
        Command::new("kill").args(["-STOP", &child.pid().to_string()]).status().unwrap();

        let mut owners = SocketOwners::default();
        eventually("only the child has it, and is suspended", || {
            owners.update([inode]);
            let are_suspended = Processes::new(&owners).are_suspended(inode);
            if !are_suspended && owners.owners(inode).next().is_some() {
                // A child of another test had it until it ran its program. A refresh may be due much later.
                owners = SocketOwners::default();
            }
            are_suspended.then_some(())
        });
        assert!(!Processes::new(&owners).are_suspended(1), "no process has it");
    }
}
