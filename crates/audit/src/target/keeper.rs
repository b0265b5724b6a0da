//! The keeper: stops the target when this process cannot any more.
//!
//! A process that is killed (SIGKILL) runs no code, and a signal at a parent's death reaches the direct child alone. So a
//! shell waits beside us, in a group of its own, on a pipe that only we hold: when we are gone, however that happened, the
//! pipe ends, and it kills the target's whole group. A word over the pipe dismisses it.

use std::io::Write;
use std::process::Child;

/// The shell that waits.
#[derive(Debug)]
pub(super) struct Keeper(Option<Child>);

impl Keeper {
    /// Sets a keeper over the group of `leader`. On a system without a shell there is none.
    #[cfg(unix)]
    pub(super) fn over(leader: u32) -> Keeper {
        use std::os::unix::process::CommandExt;
        use std::process::{Command, Stdio};
        let keeper = Command::new("/bin/sh")
            // As POSIX writes it: dash takes no `kill -KILL --`.
            .args(["-c", "read word || kill -s KILL -- \"-$0\"", &leader.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Keeper(keeper.ok())
    }

    /// There is no such thing here.
    #[cfg(not(unix))]
    pub(super) fn over(_: u32) -> Keeper {
        Keeper(None)
    }
}

impl Drop for Keeper {
    /// Dismisses it: the group has been stopped, and its number may be another's soon.
    fn drop(&mut self) {
        let Some(keeper) = &mut self.0 else { return };
        if let Some(mut pipe) = keeper.stdin.take() {
            // If it has ended already there is nobody to dismiss.
            let _ = pipe.write_all(b"done\n");
        }
        let _ = keeper.wait();
    }
}
