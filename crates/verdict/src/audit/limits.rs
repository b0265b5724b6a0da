//! The thresholds of the rules, each with its reason. Sizes in bytes, times in seconds.

/// Time without progress after which a stall is judged: servers that close a stalled connection often do so after 2 or 3.
pub(super) const WATCH: f64 = 3.5;

/// Growth of memory during the watch that does not count: single pages.
pub(super) const FLAT_RISE: f64 = 192.0 * 1024.0;

/// Steady growth that counts only after twice the watch.
pub(super) const MIN_RISE: f64 = 1024.0 * 1024.0;

/// Steady growth that leaves no doubt.
pub(super) const SURE_RISE: f64 = 16.0 * 1024.0 * 1024.0;

/// The least growth since the start that counts as retained.
pub(super) const MIN_RETAINED: f64 = 8.0 * 1024.0 * 1024.0;

/// Bytes retained per byte read: from here on the server retains what it reads (measured: 0.6 to 2.2 for queues), …
pub(super) const RETENTION: f64 = 0.4;

/// … and below this it does not (measured: up to 0.02).
pub(super) const DOUBTFUL_RETENTION: f64 = 0.1;

/// The least input that shows a trend.
pub(super) const MIN_INPUT: u64 = 32 << 20;

/// After this multiple of the budget, memory that still rises is not garbage.
pub(super) const MAX_BUDGETS: u64 = 4;

/// How much longer than usual an attack lasts on a server that reads so slowly that a limit of several budgets is not reached.
pub(super) const LONGER: f64 = 2.0;

/// Growth of memory that ends an attack, in addition to twice the bytes sent.
pub(super) const MEMORY_CAP: u64 = 1 << 30;

/// Growth that is enough for a verdict when it ended the attack: more than a queue for one peer should hold.
pub(super) const ENOUGH_GROWTH: u64 = 32 << 20;

/// Growth that no queue for one peer should reach, even one that ends with the connection.
pub(super) const NO_QUEUE: u64 = 256 << 20;

/// Output below this is a greeting.
pub(super) const GREETING_BYTES: u64 = 64 * 1024;

/// Processor cores that a server uses at most while it waits for its peer and answers a bystander, …
pub(super) const BUSY_CORES: f64 = 0.25;

/// … and without a bystander: one tick of the kernel's clock in several seconds.
pub(super) const IDLE_CORES: f64 = 0.005;

/// Length of a stall whose later half is longer than the pauses in which a growing heap stays at one size.
pub(super) const LONG_WATCH: f64 = 10.0;

/// Pending output at which an attack may end; from half of it on, output that does not come back is evidence.
pub(super) const MIN_PENDING: u64 = 1 << 20;

/// Bytes that a queue with a limit may hold: the largest usual high watermark, twice over. Unix-domain sockets have kernel queues of
/// half a MiB, which a limited queue exceeds easily.
pub(super) const LIMITED_QUEUE: u64 = 32 << 20;

/// Bytes at the start of a drained stream that exceed any sensible buffer.
pub(super) const BACKLOG: u64 = 48 << 20;

/// Start of a stall in which memory may still change: the server still works on its last read.
pub(super) const SETTLE: f64 = 0.3;

/// Seconds without a byte of output after which a queue of the kernel is full: its last steps are 200 ms apart.
pub(super) const FULL_FOR: f64 = 0.3;

/// Output within this time of its first byte may be one of several bursts, of which the period is not known.
pub(super) const ONE_BURST: f64 = 1.0;

/// Memory that a drain can exceed in its time, at a rate of 100 MiB/s.
pub(super) const DRAINABLE: u64 = 128 << 20;

/// What a server must have produced during the watch, at its rate before the stall, as a multiple of the growth that does not
/// count: flat memory proves nothing about a slower one.
pub(super) const CLEAR_RISE: f64 = 4.0;

/// Processor cores from which on a stalled server is at work: a collector that fails to free memory uses at least one.
pub(super) const COLLECTOR_CORES: f64 = 0.5;

/// Part of the input that marked bytes in memory make up if the server buffers what it reads: a queue has nearly all of it.
pub(super) const MARKED_SHARE: u64 = 2;

/// Part of the input below which marked bytes are what any reader leaves behind in freed memory (measured: a hundredth).
pub(super) const FEW_MARKS: u64 = 10;

/// Part of its growth that a server has without a slow reader if that is not the reason for it. The rest is what a busy machine does.
pub(super) const ANYWAY: f64 = 0.5;
