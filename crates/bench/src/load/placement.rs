//! Where the threads of a load run.

use std::thread;

use anyhow::{Result, anyhow};

/// Where the threads of a load run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Where the scheduler moves them.
    Free,
    /// Each on one CPU: the first thread on the first CPU, the second on the second, and so on, around.
    Pinned,
    /// All on this CPU, counted from 0 among those that this process may use.
    On(usize),
}

impl Placement {
    /// Places the calling thread, the load's thread of this number.
    pub(crate) fn place(self, number: usize) -> Result<()> {
        match self {
            Placement::Free => Ok(()),
            Placement::Pinned => {
                let cpus = cpus::usable()?;
                cpus::stay_on(cpus[number % cpus.len()])
            }
            Placement::On(index) => {
                let cpus = cpus::usable()?;
                let cpu = cpus.get(index).ok_or_else(|| anyhow!("there is no CPU {index} to run on"))?;
                cpus::stay_on(*cpu)
            }
        }
    }

    /// Runs this on a thread placed so. Child processes inherit its CPU.
    pub(crate) fn run<T: Send>(self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let placed = scope.spawn(|| {
                self.place(0)?;
                action()
            });
            placed.join().map_err(|_| anyhow!("a placed thread panicked"))?
        })
    }
}

#[cfg(target_os = "linux")]
mod cpus {
    use anyhow::{Context, Result};
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    /// The CPUs that the calling thread may use.
    pub(super) fn usable() -> Result<Vec<usize>> {
        let set = sched_getaffinity(None).context("cannot read the CPUs of this thread")?;
        Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
    }

    /// Restricts the calling thread to one CPU.
    pub(super) fn stay_on(cpu: usize) -> Result<()> {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set).with_context(|| format!("cannot restrict a thread to CPU {cpu}"))
    }
}

#[cfg(not(target_os = "linux"))]
mod cpus {
    use anyhow::{Result, bail};

    pub(super) fn usable() -> Result<Vec<usize>> {
        bail!("threads cannot be restricted to a CPU on this system")
    }

    pub(super) fn stay_on(_cpu: usize) -> Result<()> {
        bail!("threads cannot be restricted to a CPU on this system")
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn pinned_threads_take_the_cpus_in_turn() {
        let all = cpus::usable().unwrap();
        for number in 0..=all.len() {
            let cpus = thread::spawn(move || {
                Placement::Pinned.place(number).unwrap();
                cpus::usable().unwrap()
            });

            assert_eq!(cpus.join().unwrap(), [all[number % all.len()]]);
        }
        assert_eq!(cpus::usable().unwrap(), all, "the caller's own CPUs");
    }

    #[test]
    fn a_placed_action_runs_on_its_cpu() {
        let all = cpus::usable().unwrap();

        assert_eq!(Placement::On(0).run(cpus::usable).unwrap(), [all[0]]);
        assert!(Placement::On(all.len()).run(cpus::usable).is_err());
    }
}
