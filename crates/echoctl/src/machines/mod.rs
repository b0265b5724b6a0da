//! One load from several machines: when it starts, and which of them this one is.
//!
//! Something else starts the command on each machine (Kubernetes, ansible, pdsh, Slurm). These options are what it has to pass.

mod start_time;

use std::time::Duration;

use anyhow::anyhow;
use echoctl_record::Run;

use crate::exit::{Exit, Failure};
use crate::output::note;
use start_time::{LATE, StartTime, Wait};

/// Options of a command whose load may come from several machines.
#[derive(Debug, clap::Args)]
pub(crate) struct MachineArgs {
    /// Start the load at this time, as other machines do: 14:30:00, +10s
    ///
    /// A time of day in UTC (14:30:00), a date and a time (2026-01-01T14:30:00Z, or with an offset such as +01:00), seconds since 1970
    /// (@1767277800.5), or a time from now (+10s). The connections are opened before and are idle until then. The clocks of the machines
    /// have to agree (NTP); one that is set meanwhile changes the wait.
    #[arg(long, value_name = "WHEN", value_parser = StartTime::parse, help_heading = "Several machines", hide_short_help = true)]
    start_at: Option<StartTime>,

    /// Number of this machine among those with the same load, from 0
    ///
    /// Makes its payload different from that of the others and, at a fixed rate, its frames due between theirs. It is in the recording,
    /// and replaces {index} in the name of a file to write. The default is the environment variable JOB_COMPLETION_INDEX, which an
    /// indexed Job of Kubernetes sets.
    #[arg(long, value_name = "N", env = "JOB_COMPLETION_INDEX", hide_env = true, value_parser = crate::values::number::<u32>(0..=MOST_MACHINES - 1), help_heading = "Several machines", hide_short_help = true)]
    index: Option<u32>,

    /// How many machines have the same load
    #[arg(long, value_name = "N", requires = "index", value_parser = crate::values::number::<u32>(1..=MOST_MACHINES), help_heading = "Several machines", hide_short_help = true)]
    of: Option<u32>,
}

impl MachineArgs {
    /// Checks that the number of this machine is one of its machines.
    ///
    /// # Errors
    /// Exit 2.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match (self.index, self.of) {
            (Some(index), Some(of)) if index >= of => Err(Failure::usage(format_args!(
                "--index {index}: of {of} machines, the last one is {}",
                of - 1
            ))),
            _ => Ok(()),
        }
    }

    /// The number of this machine, if it is one of several.
    pub(crate) fn index(&self) -> Option<u32> {
        self.index
    }

    /// A seed that differs from those of the other machines.
    pub(crate) fn seed(&self, seed: u64) -> u64 {
        seed.wrapping_add(self.index.unwrap_or(0).into())
    }

    /// How much later than those of machine 0 the frames of this one are due, at `rate` per second on each.
    pub(crate) fn phase(&self, rate: u64) -> Duration {
        let (Some(index), Some(of)) = (self.index, self.of) else { return Duration::ZERO };
        Duration::from_secs_f64(f64::from(index) / f64::from(of) / rate.max(1) as f64)
    }

    /// Waits for the start, if there is one, and reports it on stderr. Returns whether an exit was requested meanwhile.
    ///
    /// # Errors
    /// Exit 3 if it has passed by more than a second before everything was ready.
    pub(crate) fn wait(&self) -> Result<bool, Failure> {
        let Some(start) = self.start_at else { return Ok(false) };
        match start.left() {
            Ok(left) => {
                note(format_args!("ready; the load starts at {start}, in {}", Wait(left)));
                Ok(start.wait())
            }
            Err(passed) if passed > LATE => {
                let why = anyhow!("not ready in time: {start} passed {} ago", Wait(passed));
                Err(Failure::new(Exit::Inconclusive, why)
                    .hint("a later --start-at leaves more time to connect"))
            }
            Err(passed) => {
                note(format_args!("the load starts {} late: {start} has passed", Wait(passed)));
                Ok(false)
            }
        }
    }

    /// Adds the number of this machine to a recording.
    pub(crate) fn complete(&self, run: &mut Run) {
        (run.index, run.of) = (self.index, self.of);
    }
}

/// More machines than any cluster has.
const MOST_MACHINES: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_take_turns() {
        let of = |index| MachineArgs { start_at: None, index: Some(index), of: Some(4) };

        assert_eq!([0, 1, 3].map(|index| of(index).phase(100)), [0, 2500, 7500].map(Duration::from_micros));
        assert_eq!([of(0).seed(7), of(2).seed(7), of(2).seed(u64::MAX)], [7, 9, 1]);
        assert_eq!(MachineArgs { of: None, ..of(1) }.phase(100), Duration::ZERO);
        assert!(of(4).check().is_err() && of(3).check().is_ok());
    }
}
