//! Limits: the numbers of the rule, each with its reason. Sizes in bytes, times in seconds.

/// Seconds for which stillness is watched: servers that hang up on a stalled peer often do so after 2 or 3.
pub(super) const WATCH: f64 = 3.5;

/// Growth of memory within the watch that is none: a page here and there.
pub(super) const FLAT_RISE: f64 = 192.0 * 1024.0;

/// Steady growth that is called growth only when it was watched for twice as long.
pub(super) const LEAST_RISE: f64 = 1024.0 * 1024.0;

/// Steady growth that is beyond doubt.
pub(super) const SURE_RISE: f64 = 16.0 * 1024.0 * 1024.0;

/// Growth over where the server began that is the least to call it retained.
pub(super) const MIN_RETAINED: f64 = 8.0 * 1024.0 * 1024.0;

/// Bytes kept for a byte server_read: from here on it keeps what it takes (measured: 0.6 to 2.2 for queues), …
pub(super) const RETENTION: f64 = 0.4;

/// … and below this it does not (measured: up to 0.02).
pub(super) const DOUBTFUL_RETENTION: f64 = 0.1;

/// Input below this, at once, is not yet a flood to a server.
pub(super) const LITTLE_INPUT: u64 = 1 << 20;

/// Input that shows a trend at all.
pub(super) const ENOUGH_INPUT: u64 = 32 << 20;

/// So many budgets, and memory that still rises, leave no room for garbage.
pub(super) const SURELY_ENOUGH: u64 = 4;

/// Growth that stops an attack, beside twice the bytes sent.
pub(super) const MEMORY_CAP: u64 = 1 << 30;

/// Growth at which an attack that was stopped for it has shown enough: more than a queue for one peer should be.
pub(super) const ENOUGH_GROWTH: u64 = 32 << 20;

/// Output below this is a greeting.
pub(super) const GREETING_BYTES: u64 = 64 * 1024;

/// Cores that a server keeps busy while it waits for its peer and answers a bystander, at most, …
pub(super) const BUSY_CORES: f64 = 0.25;

/// … and without a bystander: one step of the kernel's clock in some seconds.
pub(super) const IDLE_CORES: f64 = 0.005;

/// Seconds after which the later half of a still phase is long enough for the landings of a growing heap.
pub(super) const LONG_WATCH: f64 = 10.0;

/// Output owed at which an attack may end; from half of it on its absence tells something.
pub(super) const MIN_PENDING: u64 = 1 << 20;

/// What comes from a stream at once and is more than any sensible buffer.
pub(super) const BACKLOG: u64 = 48 << 20;

/// Seconds at the beginning of a still phase in which memory may yet move: the last read is still being worked on.
pub(super) const SETTLE: f64 = 0.3;
