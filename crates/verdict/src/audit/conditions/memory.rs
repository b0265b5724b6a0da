//! What is asked about the server's memory: whose bytes are in it, and what may hide in it.

use echoctl_record::{Census, Growth, Marked};

use crate::audit::limits::*;
use crate::audit::signals::Signals;
use crate::unwritten::HEAP_SLACK;

impl Signals<'_> {
    /// Whether the census shows that the server buffers hardly anything: few marked bytes always prove it, many may be memory that
    /// was freed.
    pub(in crate::audit) fn has_few_marks(&self) -> bool {
        self.evidence.census.is_some_and(|census| census.is_complete && census.added() <= self.few_marks())
    }

    /// Marked bytes that any server leaves behind in memory that it freed.
    fn few_marks(&self) -> u64 {
        if self.output_is_like_input() || self.evidence.repeats {
            return HEAP_SLACK.max(self.read / FEW_MARKS);
        }
        // A slow producer must have fewer than it would have queued.
        let queued = self.rate() * self.settled_for();
        HEAP_SLACK.max(self.written).min((queued / CLEAR_RISE) as u64)
    }

    /// Whether half of what the server read is in its memory, however that grew.
    pub(in crate::audit) fn has_marked_input(&self) -> bool {
        let of_input = |census: &Census| census.marked == Marked::Input;
        self.evidence.census.filter(of_input).is_some_and(|census| {
            census.added() >= SURE_RISE as u64 && census.added() >= self.read / MARKED_SHARE
        })
    }

    /// Whether more of the input is in memory than that has grown by, so that its growth proves nothing. Of what a server reads, a
    /// queue would have nearly all, and garbage the smaller a part the more is sent.
    pub(in crate::audit) fn may_hide_input(&self) -> bool {
        let Some(census) = self.evidence.census.filter(|census| census.marked == Marked::Input) else {
            return false;
        };
        let explained = self.peak().unwrap_or(0).max(self.read / FEW_MARKS).max(HEAP_SLACK);
        census.added() > explained && !(census.is_complete && self.has_sent_enough())
    }

    /// Whether several budgets were sent, so that a collector had to free what it could.
    pub(in crate::audit) fn has_sent_enough(&self) -> bool {
        self.read >= self.evidence.budget.saturating_mul(MAX_BUDGETS)
    }

    /// Whether a queue may be in memory that the server had before, so that flat memory proves nothing. Nor does some growth: a
    /// heap grows by a part and reuses the rest.
    pub(in crate::audit) fn may_reuse_memory(&self) -> bool {
        self.evidence.was_running && !self.has_few_marks()
    }

    /// Whether the server has read more than it has memory, with what it had before, so that it cannot have kept all of it there. Of a
    /// server behind it, only the growth is known.
    pub(in crate::audit) fn has_read_more_than_memory(&self) -> bool {
        let is_more = |memory: u64| self.read / 5 >= memory / 4;
        !self.evidence.is_relay && self.all_memory().is_some_and(is_more)
    }

    /// Whether memory grew hardly faster than it does by itself: before the audit connected, and when the slow reader had gone.
    pub(in crate::audit) fn grows_anyway(&self) -> bool {
        self.goes_on_without(self.growth().unwrap_or(0), |growth| growth.memory)
    }

    /// The same of what is written to disk.
    pub(in crate::audit) fn writes_anyway(&self) -> bool {
        self.goes_on_without(self.disk_written().unwrap_or(0), |growth| growth.disk)
    }

    fn goes_on_without(&self, bytes: u64, part: impl Fn(&Growth) -> u64) -> bool {
        let rate = bytes as f64 / self.t.max(1.0);
        let is_as_fast =
            |growth: &Growth| growth.seconds > 0.0 && part(growth) as f64 / growth.seconds >= ANYWAY * rate;
        self.evidence.background.is_some_and(|background| {
            [background.before, background.after].iter().all(is_as_fast) && bytes > 0
        })
    }

    /// Whether the server had buffered more than any queue for one peer should hold, whatever stopped it then.
    pub(in crate::audit) fn had_retained_much(&self) -> bool {
        let is_of_input = self.evidence.repeats && self.retains();
        let grew = self.growth().unwrap_or(0) >= ENOUGH_GROWTH && (is_of_input || self.grew_steadily());
        grew || (self.has_marked_input() && self.read >= ENOUGH_GROWTH)
    }
}
