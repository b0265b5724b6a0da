//! The evidence: what an attack on a server recorded, in full, so that the verdict can be found again from the file.

use serde::{Deserialize, Serialize};

use crate::Sample;

/// What an attack recorded.
///
/// The input is what was sent to the server, by the victim or by a feeder in its place; the output is what the server
/// sends to the victim, which does not read. In [`Sample`] the first three counters are the input's, the last three the
/// output's, so that `server_read - server_written` is what the server has taken in and not passed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Whether the stimulus was sent again and again; else it was sent once.
    pub repeats: bool,
    /// Whether all that is sent should come back.
    pub echo: bool,
    /// Bytes of one stimulus: an echo of whole ones owes nothing for a part of one.
    #[serde(default = "one")]
    pub unit: u64,
    /// Bytes of input that are enough to call a server unbounded that took them all.
    pub budget: u64,
    /// The longest that the attack may take, in seconds.
    #[serde(alias = "patience")]
    pub max_duration: f64,
    /// The most bytes that kernels hold between two sockets on this machine.
    #[serde(alias = "slack")]
    pub kernel_buffering: u64,
    /// Growth of the server's memory at which the attack ends for the machine's sake.
    pub memory_limit: u64,
    /// Whether the server passes on to another one at all.
    #[serde(default)]
    pub is_relay: bool,
    /// Whether the server passes on to somebody whose memory is not visible here.
    #[serde(default)]
    pub hidden_upstream: bool,
    /// What was seen, in order of time.
    pub points: Vec<Point>,
    /// How the connection ended while it was attacked, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "ending")]
    pub disconnect: Option<Disconnect>,
    /// What came back when the victim read at last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "read_out")]
    pub drain: Option<Drain>,
}

fn one() -> u64 {
    1
}

/// One sample of an attack, and what a verdict needs beside it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// The counters, memory and time.
    #[serde(flatten)]
    pub sample: Sample,
    /// Whether there was more to send and the kernel took none of it.
    #[serde(default)]
    pub blocked: bool,
    /// Processor time that the server's processes have used, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "processor")]
    pub cpu_seconds: Option<f64>,
    /// Bytes that they wrote to disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "disk")]
    pub disk_written: Option<u64>,
}

impl Point {
    /// Bytes of input that the server has taken, as near to the server as this system shows it.
    pub fn server_read(&self) -> u64 {
        self.sample.server_read.or(self.sample.server_received).unwrap_or(self.sample.produced)
    }

    /// Bytes of output that the server has written.
    pub fn server_written(&self) -> u64 {
        self.sample.server_written.or(self.sample.client_received).unwrap_or(self.sample.consumed)
    }

    /// Bytes of output that wait in the server's kernel because the victim does not read.
    pub fn output_waiting(&self) -> u64 {
        match (self.sample.server_written, self.sample.client_received) {
            (Some(written), Some(received)) => written.saturating_sub(received),
            // Without the server's end, a receive queue that is filled shows the same from the other side.
            _ => self.sample.client_received.unwrap_or(0).saturating_sub(self.sample.consumed),
        }
    }
}

/// How a connection ended while it was attacked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Disconnect {
    /// Seconds since the attack began.
    pub t: f64,
    /// Who ended it, and how.
    #[serde(alias = "how")]
    pub kind: DisconnectKind,
}

/// Ways in which a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DisconnectKind {
    /// The server sent FIN, perhaps stuck behind unread data.
    Closed,
    /// The connection was reset.
    Reset,
    /// The server's process died.
    Crashed,
}

/// What came back when the victim read at last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drain {
    /// Bytes that came back.
    pub bytes: u64,
    /// Of them, those that were in the two kernels when the reading began.
    pub in_kernels: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why the reading stopped.
    pub stopped: StopReason,
    /// Bytes that came back, over time: seconds since the reading began, and the sum so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(f64, u64)>,
    /// The first bytes that came, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(alias = "said")]
    pub first_text: Option<String>,
    /// The first place where an echo differs from what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged_at: Option<u64>,
}

impl Drain {
    /// Bytes that were held outside the two kernels: by the server, or by somebody behind it.
    pub fn beyond_kernels(&self) -> u64 {
        self.bytes.saturating_sub(self.in_kernels)
    }
}

/// Why the reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StopReason {
    /// Everything that an echo owes had come back.
    Complete,
    /// Nothing more came.
    Quiet,
    /// The server ended the connection.
    #[serde(alias = "ended")]
    Closed,
    /// More than was needed had come, or for long enough.
    Enough,
}
