//! What is asked about other clients, the bytes and the disk, whatever the main cause is.

use echoctl_record::{Bystanders, EchoFault, Point, StopReason};

use crate::audit::limits::*;
use crate::audit::signals::Signals;

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

    /// Whether an echo sent other bytes than it got: one that held the slow reader back, or one that drops parts of messages. One that
    /// drops complete ones by policy does not hold back, however slowly it reads on.
    pub(in crate::audit) fn has_corrupted_an_echo(&self) -> bool {
        let Some(drain) = &self.evidence.drain else { return false };
        let is_open = self.disconnect().is_none() && drain.stopped != StopReason::Closed;
        let points = &self.evidence.points;
        let is_held_back = |point: &&Point| point.blocked && !point.is_blocked_by_path();
        let held_back = points.iter().filter(is_held_back).count() >= points.len() / 2;
        let must_be_intact = self.has_stalled()
            || (held_back && !self.has_accepted_much())
            || drain.fault == Some(EchoFault::Torn);
        self.evidence.echo && self.evidence.repeats && must_be_intact && is_open && drain.fault.is_some()
    }

    /// Whether an echo that held the slow reader back did not go on when that read at last, although it is alive and serves
    /// others.
    pub(in crate::audit) fn stays_stuck(&self) -> bool {
        self.evidence.echo
            && self.disconnect().is_none()
            && self.has_stalled()
            && self.output_waits()
            && self.leaves_input()
            && self.serves_others()
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
