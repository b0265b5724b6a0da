//! Figures: the numbers of an attack that a report shows beside its verdict.

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Stopped};
use super::facts::Facts;
use super::limits::{ENOUGH_INPUT, WATCH};

/// The numbers of an attack. Sizes in bytes, times in seconds; `None` where something was not visible.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Input that arrived at the server's kernel.
    pub accepted: u64,
    /// Input that the server read.
    pub taken: u64,
    /// Output that the server wrote.
    pub given: u64,
    /// Input that was read and not passed on, where output is about as large as input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside_server: Option<u64>,
    /// What came back when the victim read at last.
    pub read_out: u64,
    /// Of that, what the kernels had not held.
    pub read_out_beyond_kernels: u64,
    /// Growth of the server's memory, at its most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_growth: Option<u64>,
    /// Bytes of memory kept for each byte of input taken, by the trend of the memory's floor. Only of a server that went
    /// on taking, and took enough: one that stopped filled its bounded queues, and the ratio of that is about 1 too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slope: Option<f64>,
    /// Bytes of output for each byte of input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplification: Option<f64>,
    /// Kernel memory of the attacked connections, at its most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_memory: Option<u64>,
    /// How long neither input nor output had moved when the attack ended.
    pub still: f64,
    /// How long the attack lasted.
    pub attacked: f64,
    /// Bytes of an echo that never came back, where it was read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
}

impl Evidence {
    /// The numbers of this attack; all 0 when nothing was recorded.
    pub fn figures(&self) -> Figures {
        let (Some(facts), Some(last)) = (Facts::of(self), self.points.last()) else {
            return Figures::default();
        };
        let amplification = (facts.taken > 0).then(|| facts.given as f64 / facts.taken as f64);
        let is_flood = self.repeats && facts.taken >= ENOUGH_INPUT.min(self.budget) && facts.still < WATCH;
        let is_like_input = self.repeats && facts.given <= facts.taken.saturating_mul(2);
        Figures {
            accepted: last.sample.s_received.unwrap_or(last.sample.produced),
            taken: facts.taken,
            given: facts.given,
            inside_server: (is_like_input && last.sample.s_written.is_some())
                .then(|| facts.taken.saturating_sub(facts.given)),
            read_out: self.read_out.as_ref().map_or(0, |read_out| read_out.bytes),
            read_out_beyond_kernels: self.read_out.as_ref().map_or(0, |read_out| read_out.beyond_kernels()),
            memory_growth: facts.peak,
            slope: facts.kept.filter(|_| is_flood),
            amplification,
            kernel_memory: self.points.iter().filter_map(|point| point.sample.kernel_memory).max(),
            still: facts.still,
            attacked: facts.t,
            lost: self.lost(),
        }
    }

    /// Bytes that an echo owes by the end of the attack: whole stimuli, of each connection.
    pub fn owed_by_echo(&self) -> Option<u64> {
        let last = self.points.last().filter(|_| self.echo)?.sample;
        // With several connections it is not known how much of its last stimulus each has sent: half-sent ones are let go.
        let unfinished = match last.connections {
            0 | 1 => last.produced % self.unit.max(1),
            many => u64::from(many).saturating_mul(self.unit.max(1) - 1),
        };
        Some(last.produced.saturating_sub(unfinished))
    }

    /// What of an echo did not come back, if it was read until nothing more came.
    fn lost(&self) -> Option<u64> {
        let read_out = self.read_out.as_ref().filter(|_| self.ending.is_none())?;
        let before = self.points.last()?.sample.consumed;
        match read_out.stopped {
            Stopped::Complete | Stopped::Quiet => {
                Some(self.owed_by_echo()?.saturating_sub(before.saturating_add(read_out.bytes)))
            }
            Stopped::Ended | Stopped::Enough => None,
        }
    }
}
