//! What is asked about other clients, the bytes and the disk, whatever the main cause is.

use echoctl_record::{Bystanders, EchoFault, StopReason};

use crate::audit::limits::*;
use crate::audit::signals::Signals;
use crate::unwritten::exceeds_memory;

impl Signals<'_> {
    /// Whether a client that was served before the attack was not served during it.
    pub(in crate::audit) fn has_starved_others(&self) -> bool {
        self.healthy_clients().is_some_and(|bystanders| {
            bystanders.serves_several && bystanders.all().any(|service| service.during == Some(false))
        })
    }

    /// Whether a client that was served before the attack was not served after it. A server that hangs up on each client after the
    /// same answer is alive: it has answered the control client, which comes last.
    pub(in crate::audit) fn is_dead_afterwards(&self) -> bool {
        let answers_and_closes = self.refuses_readers_too()
            && self.evidence.control.as_ref().is_some_and(|control| control.received > 0);
        let is_unserved =
            |bystanders: Bystanders| bystanders.all().any(|service| service.after == Some(false));
        !answers_and_closes && self.healthy_clients().is_some_and(is_unserved)
    }

    /// How others were served, unless no client could have been.
    fn healthy_clients(&self) -> Option<Bystanders> {
        self.evidence.bystanders.filter(|_| !self.has_crashed() && !self.evidence.is_suspended)
    }

    /// Whether an echo sent other bytes than it got, which it also does if it holds the slow reader back and bytes are missing. One that
    /// drops whole messages by policy reads on; on a busy machine it may read as slowly as one that waits, so that its pauses prove nothing.
    pub(in crate::audit) fn has_corrupted_an_echo(&self) -> bool {
        let Some(drain) = &self.evidence.drain else { return false };
        let is_open = self.disconnect().is_none() && drain.stopped != StopReason::Closed;
        let is_wrong = match drain.fault {
            None => false,
            // No policy does that.
            Some(EchoFault::Repeated) => true,
            Some(EchoFault::Lost) if drain.lost_whole_units => self.has_stalled() && !self.has_read_on(),
            // Of a stimulus without marks, it is not known what a difference is.
            Some(EchoFault::Lost | EchoFault::Changed) => self.holds_back(),
        };
        self.evidence.echo && self.evidence.repeats && is_open && is_wrong
    }

    /// Whether the slow reader was held back: input waited for at least half of the time, or at the end.
    pub(in crate::audit) fn holds_back(&self) -> bool {
        let points = &self.evidence.points;
        self.has_stalled() || points.iter().filter(|point| point.blocked).count() >= points.len() / 2
    }

    /// Whether the server read more than it wrote and a queue with a limit or its memory can have: it dropped the rest before it stalled.
    fn has_read_on(&self) -> bool {
        let unwritten = self.read.saturating_sub(self.written);
        unwritten > LIMITED_QUEUE && exceeds_memory(unwritten, self.peak().unwrap_or(u64::MAX))
    }

    /// Whether data that the slow reader does not read is written to files, on disk or in memory.
    pub(in crate::audit) fn has_spilled(&self) -> bool {
        let bytes = self.in_files();
        let is_its_doing = self.was_under_pressure() || self.has_accepted_much();
        // A server that has come to rest has a limit, unless it wrote more at once than any limit for one peer should be.
        let least = if self.has_stalled() { self.evidence.budget / 2 } else { SURE_RISE as u64 };
        is_its_doing && bytes >= least && bytes >= self.read.max(self.written) / 2
    }

    /// Bytes that the server may have spilled to files.
    pub(in crate::audit) fn in_files(&self) -> u64 {
        // A server cannot spill more input than it read; what exceeds that is for another reason.
        let most = if self.output_is_like_input() { self.read } else { u64::MAX };
        let on_disk = self.disk_written().max(self.evidence.open_file_growth).unwrap_or(0);
        on_disk.max(self.in_shared_memory()).min(most)
    }

    /// Growth of shared memory that is the server's: all processes of the machine use it, but what is the server's is much, and
    /// comes back.
    fn in_shared_memory(&self) -> u64 {
        let growth = self.evidence.shared_memory_growth.unwrap_or(0);
        let still_comes =
            self.evidence.drain.as_ref().is_some_and(|drain| drain.stopped == StopReason::Enough);
        let came_back = self.drained() >= growth / 2 || still_comes;
        let bytes = growth.min(self.drained());
        if came_back && bytes >= 2 * ENOUGH_GROWTH { bytes } else { 0 }
    }
}
