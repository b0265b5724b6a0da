//! Everything that an attack on a server recorded, so that the verdict can be derived again from a file.

use serde::{Deserialize, Serialize};

use crate::{Bystanders, Census, Control, Sample};

/// What an attack recorded.
///
/// The input is what the slow reader sends to the server, or a publisher in its place. The output is what the server sends to the
/// slow reader, which does not read. In [`Sample`] the first three counters are those of the input, the last three those of
/// the output, so `server_read - server_written` is what the server has read and not passed on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// Whether the stimulus was sent repeatedly, rather than once.
    pub repeats: bool,
    /// Whether everything that is sent should come back.
    pub echo: bool,
    /// Bytes of one stimulus; 0 if not known, as in the first recordings. A server that echoes complete ones sends nothing back for
    /// a part of one.
    #[serde(default)]
    pub unit: u64,
    /// Bytes of input after which a server that has accepted all of them may be called unbounded.
    pub budget: u64,
    /// The longest duration of the attack, in seconds.
    #[serde(alias = "patience")]
    pub max_duration: f64,
    /// The duration that was asked for at least, in seconds; 0 if the attack may end as soon as its evidence suffices.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub min_duration: f64,
    /// The most bytes that the kernels buffer for one connection on this machine.
    #[serde(alias = "slack")]
    pub kernel_buffering: u64,
    /// Growth of the server's memory at which the attack ends to protect the machine.
    pub memory_limit: u64,
    /// Whether the server passes data on to another server.
    #[serde(default)]
    pub is_relay: bool,
    /// Whether it passes data on to a server whose memory is not visible here.
    #[serde(default)]
    pub hidden_upstream: bool,
    /// Whether another client, the publisher, sends the stimulus.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_publisher: bool,
    /// Whether the server had been running before the audit, so that memory that it freed earlier may be used again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub was_running: bool,
    /// The samples, in order of time.
    pub points: Vec<Point>,
    /// How the connection closed during the attack, if it did.
    #[serde(default, alias = "ending", skip_serializing_if = "Option::is_none")]
    pub disconnect: Option<Disconnect>,
    /// What was drained at the end.
    #[serde(default, alias = "read_out", skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// Whose bytes were in the server's memory at the end of the attack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub census: Option<Census>,
    /// How healthy clients were served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bystanders: Option<Bystanders>,
    /// What happened to a client that reads, where the slow reader was disconnected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Control>,
    /// Bytes per second that a new client received which had sent nothing after its setup. Asked only where the server was still sending
    /// when the draining stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unprompted: Option<u64>,
    /// What the server did by itself, where the verdict depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Background>,
    /// The process that grew most, if several were measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grown_process: Option<GrownProcess>,
    /// Growth of the files that the server's processes have open, deleted ones included, since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_file_growth: Option<u64>,
    /// Growth of the machine's shared memory, which includes files in memory, since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_memory_growth: Option<u64>,
    /// The line in which the server reported that it ran out of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_memory: Option<String>,
    /// Whether the server's processes were suspended (stopped by a signal or a debugger) at the end of the attack.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_suspended: bool,
    /// Whether the stimulus is a flood of frames, each of which the server has to answer or to refuse: PING, SETTINGS, requests.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_flood: bool,
    /// What the slow reader does not do, where its protocol leaves a choice. Absent: it does not read from its socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<StallKind>,
    /// Seconds since the start for which the slow reader read, before it stopped: a client that is suspended worked until then. Memory
    /// and disk are compared with their values at that time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reads_until: f64,
    /// How many of its requests were answered, where its protocol has several on one connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responses: Option<Responses>,
    /// Further bytes of input that the windows of the protocol permitted when the slow reader had been drained, where there are such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_credit: Option<u64>,
    /// What the server's protocol said when the connection or its streams ended: `GOAWAY ENHANCE_YOUR_CALM`. Escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<String>,
    /// How the server violated TLS or HTTP/2, after which nothing could be sent or read. Escaped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<String>,
}

/// How the server's memory and disk grew without a slow reader.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Background {
    /// Before the audit connected.
    pub before: Growth,
    /// When the slow reader had gone.
    pub after: Growth,
}

/// Growth in some time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Growth {
    /// The time, in seconds.
    pub seconds: f64,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes that were written to disk.
    pub disk: u64,
}

/// The process whose memory grew most, at the time at which all together had most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrownProcess {
    /// The name of its program; empty if not visible.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// Bytes by which it had grown.
    pub bytes: u64,
    /// Number of processes that were measured, servers behind the server included.
    pub processes: u32,
}

/// What a slow reader does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StallKind {
    /// It does not read from its socket: the kernels' queues fill.
    Tcp,
    /// It reads, but grants no more data on any stream: the windows of the protocol are used up, and the kernels' queues are empty.
    Window,
    /// The same, but the connection's window is open: only that of each stream is used up.
    WindowStream,
    /// It is another program, which is suspended.
    Client,
}

/// Requests on one connection, and what is known of their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Responses {
    /// Requests that were sent.
    pub requests: u32,
    /// Those of which the headers of a response came, during the attack or the drain.
    pub answered: u32,
    /// The status of the first response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

// What serde's `skip_serializing_if` asks.

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// One sample of an attack, with what only a verdict needs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// The counters, memory and time.
    #[serde(flatten)]
    pub sample: Sample,
    /// Whether there was more to send and the kernel accepted none of it.
    #[serde(default)]
    pub blocked: bool,
    /// Processor time that the server's processes have used, in seconds.
    #[serde(default, alias = "processor", skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Bytes that they wrote to disk.
    #[serde(default, alias = "disk", skip_serializing_if = "Option::is_none")]
    pub disk_written: Option<u64>,
    /// Whether the kernel accepts no more output: the server's send queue is full on every connection. Absent: not visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_is_full: Option<bool>,
    /// Bytes that the protocol's flow control, as the windows of HTTP/2, still allows the server to send to the slow reader. At 0 it
    /// has to wait, even if every queue of the kernels is empty. Absent: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_credit: Option<u64>,
    /// Whether the slow reader has drained what was pending since the point before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub after_drain: bool,
}

impl Point {
    /// Bytes of input that the server has read; where that is not visible, the nearest counter before it.
    pub fn server_read(&self) -> u64 {
        self.sample.server_read.or(self.sample.server_received).unwrap_or(self.sample.produced)
    }

    /// Whether the server has read all that arrived, although there is more to send and the kernel accepts none of it: the path holds
    /// the client back, as when the machine has no memory left for sockets. False where that is not visible.
    pub fn is_blocked_by_path(&self) -> bool {
        let arrived = self.sample.server_received;
        // The windows of a protocol may hold the client back as well.
        self.blocked
            && self.output_credit.is_none()
            && arrived.is_some()
            && arrived == self.sample.server_read
    }

    /// Bytes of output that the server has written; where that is not visible, the nearest counter after it.
    pub fn server_written(&self) -> u64 {
        self.sample.server_written.or(self.sample.client_received).unwrap_or(self.sample.consumed)
    }

    /// Whether the server can write no more to the slow reader, because a kernel accepts no more or the protocol does not allow it.
    /// Where that is not visible: whether output waits.
    pub fn output_is_blocked(&self) -> bool {
        self.output_credit == Some(0) || self.output_is_full.unwrap_or(self.output_waiting() > 0)
    }

    /// Bytes of output that wait in the server's kernel because the slow reader does not read.
    pub fn output_waiting(&self) -> u64 {
        match (self.sample.server_written, self.sample.client_received) {
            (Some(written), Some(received)) => written.saturating_sub(received),
            // Where the server's end is not visible, a filled receive queue shows the same at the client's end.
            _ => self.sample.client_received.unwrap_or(0).saturating_sub(self.sample.consumed),
        }
    }
}

/// How a connection closed during an attack.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Disconnect {
    /// Seconds since the attack started.
    pub t: f64,
    /// How it closed.
    #[serde(alias = "how")]
    pub kind: DisconnectKind,
}

/// Ways in which a connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisconnectKind {
    /// The server sent FIN, which may be queued behind unread data.
    Closed,
    /// The connection was reset.
    Reset,
    /// The server's process crashed.
    Crashed,
    /// The server announced the end of the connection with an error, as GOAWAY does.
    GoAway,
    /// The server reset all streams of a connection that stays open.
    StreamsReset,
}

/// What came when the slow reader drained its connection at the end.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Drain {
    /// Bytes that came.
    pub bytes: u64,
    /// Part of them that was in the two kernels when the draining started.
    pub in_kernels: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why the draining stopped.
    pub stopped: StopReason,
    /// Bytes that came, over time: seconds since the start of the draining, and the sum so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<(f64, u64)>,
    /// The first bytes, as text.
    #[serde(default, alias = "said", skip_serializing_if = "Option::is_none")]
    pub first_text: Option<String>,
    /// The first place where an echo differs from what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged_at: Option<u64>,
    /// How it differs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<EchoFault>,
    /// Bytes of input that the server had read by the end of the draining, where visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_read: Option<u64>,
    /// Bytes of output that it had written by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_written: Option<u64>,
}

impl Drain {
    /// Bytes that were buffered outside the two kernels: by the server, or by a server behind it.
    pub fn beyond_kernels(&self) -> u64 {
        self.bytes.saturating_sub(self.in_kernels)
    }
}

/// Why the draining stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Everything that the server had to echo had come back.
    Complete,
    /// Nothing more came.
    #[default]
    Quiet,
    /// The server closed the connection.
    #[serde(alias = "ended")]
    Closed,
    /// As much as the verdict needs had come, or the time was over.
    Enough,
}

/// How an echo differs from what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EchoFault {
    /// Bytes are missing; of messages whose length is known, complete ones.
    Lost,
    /// A part of a message is missing.
    Torn,
    /// Bytes came again.
    Repeated,
    /// Bytes are others than those sent.
    Changed,
}
