//! Defines a measured run: its samples, the arithmetic of its queues, the names of verdicts, and its file.
//!
//! Contains data and no rule: what a run proves is decided in `verdict`.
//!
//! - [`Sample`]: six cumulative byte counters on the path from producer to consumer, and the memory in use.
//! - [`Queue`], [`Queues`]: the bytes between neighbouring counters, which show where every byte is; [`peak_during`]: a maximum over a phase.
//! - [`Verdict`]: the result for a server; [`Evidence`]: what a rule derives it from, with a [`Census`] of the server's memory, how
//!   [`Bystanders`] were served, what a [`Control`] client got, and which [`StallKind`] and [`Responses`] an HTTP/2 client had.
//! - [`Summary`]: totals and verdict of a run; [`WatchSummary`]: totals of a watch.
//! - [`ProcessMap`]: the processes of a host and their connections; [`Pressure`]: how far backpressure reaches in it.
//! - [`PingSummary`]: totals of a ping, with the [`Latencies`] of its frames, which merge exactly.
//! - [`ConnectionLog`]: the counters of single connections, made by a [`ConnectionLogger`].
//! - [`ConnectionFigures`]: what the kernel shows of one connection; [`Diagnosis`]: its [`ConnectionCause`]; [`ConnectionRow`]: both,
//!   as printed and kept; [`ListenerFigures`]: what is not accepted yet.
//! - [`ClassState`]: one moment of a class, as its page shows it, with its [`Question`] and its [`ClassHistory`]; [`ClassCommand`]:
//!   what a teacher may ask for.
//! - [`MetricsFigures`]: what is exported to a monitoring system.
//! - [`Run`]: the file of a run, with the [`Machine`] that it was made on; [`Limit`]: its maximum size.
//! - [`merge()`]: recordings of one load from several machines as one run; [`join()`]: those of both ends of connections, on two hosts.
//! - [`printable`]: makes untrusted text safe to print.
//! - [`Bytes`], [`Rate`], [`Seconds`], [`Latency`], [`Age`], [`count`]: print sizes, rates, times and counts, the same way everywhere.

#![forbid(unsafe_code)]

mod bystanders;
mod census;
mod class;
mod connection;
mod connection_log;
mod control;
mod ending;
mod evidence;
mod intake;
mod join;
mod latencies;
mod lines;
mod machine;
mod map;
mod merge;
mod metrics;
mod ping_summary;
mod printable;
mod queues;
mod reading;
mod run;
mod sample;
mod schema;
mod summary;
mod units;
mod verdict;

pub use bystanders::{Bystanders, Service};
pub use census::{Census, Marked};
pub use class::{
    ClassCommand, ClassHistory, ClassLog, ClassPoint, ClassRow, ClassSetup, ClassState, LessonChoice, Mark,
    NewQuestion, PolicyChoice, Question, QuestionState,
};
pub use connection::{
    Age, ConnectionCause, ConnectionFigures, ConnectionPhase, ConnectionRow, Diagnosis, ListenerFigures,
    Roles, SocketTimer, Stalled,
};
pub use connection_log::{ConnectionLog, ConnectionLogger, LogPoint, LoggedConnection, PathCounters};
pub use control::Control;
pub use ending::Ending;
pub use evidence::{
    Background, Disconnect, DisconnectKind, Drain, EchoFault, Evidence, GrownProcess, Growth, Point,
    Responses, StallKind, StopReason,
};
pub use intake::Limit;
pub use join::{ClockOffset, JoinError, Joined, JoinedConnections, join};
pub use latencies::Latencies;
pub use machine::{Machine, SocketLimits};
pub use map::{
    Begins, Direction, EdgeFlow, Fill, NodeKind, Pressure, PressureHop, PressureRole, ProcessEdge,
    ProcessMap, ProcessNode, Transport,
};
pub use merge::{MergeError, merge, starts};
pub use metrics::{ListenerMetrics, MetricsFigures, OwnServerMetrics, QueueMetrics};
pub use ping_summary::PingSummary;
pub use printable::{printable, printable_lines};
pub use queues::{Queue, Queues, peak_during};
pub use run::{Run, RunError};
pub use sample::Sample;
pub use schema::{SCHEMA_VERSION, SchemaVersion};
pub use summary::{Integrity, Summary, WatchSummary};
pub use units::{Bytes, Latency, Rate, Seconds, count};
pub use verdict::{Class, Verdict};
