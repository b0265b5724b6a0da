//! How long a thread has run, and how long it has waited for its CPU.

use std::fs::File;
use std::io;
use std::time::Duration;

/// Times of a thread since its start.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ThreadTimes {
    /// It ran.
    pub(crate) ran: Duration,
    /// It could have run, and others ran on its CPU.
    pub(crate) waited: Duration,
}

/// The kernel's account of a thread, which any other thread can read: `schedstat` (Linux, Documentation/scheduler/sched-stats.rst).
#[derive(Debug)]
pub(crate) struct ThreadSchedule(File);

impl ThreadSchedule {
    /// That of the calling thread.
    ///
    /// # Errors
    /// Where the kernel keeps no such account, or `/proc` is not mounted.
    pub(crate) fn of_this_thread() -> io::Result<ThreadSchedule> {
        File::open("/proc/thread-self/schedstat").map(ThreadSchedule)
    }

    /// The times until now. `None` after the thread has exited.
    #[cfg(unix)]
    pub(crate) fn times(&self) -> Option<ThreadTimes> {
        use std::os::unix::fs::FileExt;

        let mut text = [0; LONGEST];
        let length = self.0.read_at(&mut text, 0).ok()?;
        let mut numbers = std::str::from_utf8(&text[..length]).ok()?.split_ascii_whitespace();
        let mut next = || numbers.next()?.parse().ok().map(Duration::from_nanos);
        Some(ThreadTimes { ran: next()?, waited: next()? })
    }

    /// Not visible on other systems.
    #[cfg(not(unix))]
    pub(crate) fn times(&self) -> Option<ThreadTimes> {
        None
    }
}

/// Bytes of three numbers of 64 bits, with what separates them.
const LONGEST: usize = 3 * 21;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use echoctl_testkit::eventually;

    use super::*;

    #[test]
    fn a_thread_that_computes_has_run() {
        let Ok(schedule) = ThreadSchedule::of_this_thread() else {
            eprintln!("skipped: the kernel keeps no schedstat");
            return;
        };
        let before = schedule.times().unwrap().ran;

        while schedule.times().unwrap().ran < before + Duration::from_millis(5) {}
    }

    #[test]
    fn a_thread_that_has_exited_has_no_times() {
        let Ok(schedule) = std::thread::spawn(ThreadSchedule::of_this_thread).join().unwrap() else {
            eprintln!("skipped: the kernel keeps no schedstat");
            return;
        };

        // The kernel removes it after `join` has returned.
        eventually("its times are gone", || schedule.times().is_none());
    }
}
