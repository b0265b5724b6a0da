//! One direction of a connection: what its reader makes its writer wait for.
//!
//! A reader that stopped and one that reads slowly look the same for a while: TCP opens a closed window only once there is room for
//! a full segment or for a sixteenth of the buffer, so at 10 KiB/s over loopback (segments of 64 KiB) six seconds pass without
//! any. They differ in the reader's own queue, where it is visible, and in how long the wait before this one was.

use echoctl_record::{ConnectionFigures, SocketTimer};

/// Bytes on their way to one reader. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    /// Bytes for the reader in the queues of both kernels.
    buffered: u64,
    /// Whether any of them wait where a reader that does not read makes them wait.
    has_waiting: bool,
    /// Whether only the reader's window keeps the writer's kernel from sending, at this moment or most of the time.
    is_held_back: bool,
    /// What a stall needs beside waiting bytes.
    stall: StallNeeds,
    /// Since payload last moved.
    since_moved: Option<f64>,
    /// Since the reader was seen to read, or had nothing to read.
    since_read: Option<f64>,
    seen_for: f64,
    /// Duration of the last wait that has ended, and how long ago it did.
    last_wait: Option<(f64, f64)>,
    /// Bytes per second that come from the writer.
    rate: Option<f64>,
    /// Bytes per second that the reader reads.
    read_rate: Option<f64>,
}

/// When waiting bytes are a stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StallNeeds {
    /// Once they hold back the writer: what it wrote is otherwise on its way.
    ClosedWindow,
    /// At once: they have arrived, and the reader leaves them unread.
    Nothing,
}

impl Stream {
    /// From the server to the client.
    pub(super) fn to_client(figures: &ConnectionFigures) -> Stream {
        // With room for a segment, the timer runs because this host drops its own packets.
        let is_probed = figures.timer == Some(SocketTimer::ZeroWindowProbe)
            && figures.client_window.is_none_or(|window| window < LARGEST_SEGMENT);
        let is_closed = figures.client_window == Some(0) || is_probed;
        // A window as large as ever fills up on a long network, too; that of a slow reader is nearly closed whenever it is seen.
        let is_small = figures
            .client_window
            .zip(figures.largest_client_window)
            .is_some_and(|(window, largest)| window < largest / 2);
        let is_limited = is_small && figures.client_limited.is_some_and(|share| share >= MOSTLY);
        // A window that is open at this instant was closed a moment ago, and will be again: the client leaves bytes unread. Of a client
        // elsewhere that is not visible, and a network that drops packets sets the same timer.
        let has_unread = figures.client_receive.is_some_and(|bytes| bytes > 0);
        let was_closed =
            has_unread && figures.since_window_closed.is_some_and(|seconds| seconds < STALL_SECONDS);
        Stream {
            buffered: figures.server_send.unwrap_or(0) + figures.client_receive.unwrap_or(0),
            has_waiting: figures.server_send.unwrap_or(0) > 0,
            is_held_back: is_closed || is_limited || was_closed,
            stall: StallNeeds::ClosedWindow,
            since_moved: figures.since_sent,
            since_read: figures.since_client_read,
            seen_for: figures.seen_for,
            last_wait: figures.last_wait.zip(figures.since_last_wait),
            rate: figures.send_rate,
            read_rate: figures.client_read_rate,
        }
    }

    /// From the client to the server.
    pub(super) fn to_server(figures: &ConnectionFigures) -> Stream {
        let client_waits = figures.client_send.unwrap_or(0) > 0;
        Stream {
            buffered: figures.server_receive.unwrap_or(0) + figures.client_send.unwrap_or(0),
            has_waiting: figures.server_receive.unwrap_or(0) > 0,
            is_held_back: figures.server_window == Some(0) || client_waits,
            stall: StallNeeds::Nothing,
            since_moved: figures.since_received,
            since_read: figures.since_server_read,
            seen_for: figures.seen_for,
            last_wait: None,
            rate: figures.receive_rate,
            read_rate: figures.server_read_rate,
        }
    }

    /// Whether nothing waits for the reader.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_waiting
    }

    /// Whether the writer cannot send more.
    pub(super) fn is_held_back(&self) -> bool {
        self.has_waiting && self.is_held_back
    }

    /// Whether the reader has not read for longer than one that is busy, or slow.
    pub(super) fn is_stalled(&self) -> bool {
        let is_waiting = match self.stall {
            StallNeeds::ClosedWindow => self.is_held_back(),
            StallNeeds::Nothing => self.has_waiting,
        };
        let is_long = |waited: f64| {
            // What the kernel knows from before the watch is when payload last moved: a slow reader may have read since.
            let limit = if self.seen_for >= SEEN_SECONDS { STALL_SECONDS } else { CERTAIN_SECONDS };
            waited >= limit
        };
        is_waiting && self.waited().is_some_and(is_long) && !self.repeats_its_wait()
    }

    /// Whether the reader reads, and keeps its writer waiting all the same.
    pub(super) fn is_slow(&self) -> bool {
        if self.has_waiting && self.repeats_its_wait() {
            return true;
        }
        let reads = self.waited().is_some_and(|waited| waited < STALL_SECONDS);
        let moves_rarely = self.since_moved.is_some_and(|seconds| seconds >= STALL_SECONDS);
        self.is_held_back() && reads && (moves_rarely || self.is_far_behind())
    }

    /// How long the bytes have waited since the reader last read, at least.
    pub(super) fn waited(&self) -> Option<f64> {
        match (self.since_read, self.since_moved) {
            // It was seen to read. When payload moved says less: several reads open the window once.
            (Some(read), _) if read < self.seen_for => Some(read),
            // It has not read since the watch began, nor, as the kernel knows, since payload last moved.
            (Some(seen), Some(moved)) => Some(seen.max(moved)),
            (seen, moved) => seen.or(moved),
        }
    }

    /// Whether payload has moved a moment ago.
    pub(super) fn has_just_moved(&self) -> bool {
        match self.since_moved {
            Some(seconds) => seconds < STALL_SECONDS,
            None => self.rate.is_some_and(|rate| rate > 0.0),
        }
    }

    pub(super) fn since_moved(&self) -> Option<f64> {
        self.since_moved
    }

    /// Whether this wait followed another one immediately, and is not yet much longer: the reader opens its window for a moment at a
    /// time.
    fn repeats_its_wait(&self) -> bool {
        let Some(((last, ended), now)) = self.last_wait.zip(self.since_moved) else { return false };
        ended - now <= BURST_SECONDS && now <= last * 2.0 + JITTER_SECONDS
    }

    /// Whether the reader needs long for what is buffered already.
    fn is_far_behind(&self) -> bool {
        self.read_rate.is_some_and(|rate| rate > 0.0 && self.buffered as f64 / rate >= BEHIND_SECONDS)
    }
}

/// Seconds without a read from which on a reader counts as stalled. Longer than the pauses of one that reads once a second, and
/// short enough that a watch names it after two.
pub(super) const STALL_SECONDS: f64 = 1.75;

/// Seconds of the watch after which a wait that began before it is one. Slow readers read more often.
const SEEN_SECONDS: f64 = 0.95;

/// Seconds of a wait that is one at first sight: the window of a client that reads 10 KiB/s over loopback opens every 6.4 s.
const CERTAIN_SECONDS: f64 = 8.0;

/// Seconds of sending between two waits up to which they belong together: an open window of a slow reader is filled at once.
const BURST_SECONDS: f64 = 2.0;

/// Seconds by which the second wait may be longer for other reasons, such as the interval between samples.
const JITTER_SECONDS: f64 = 0.5;

/// Seconds of reading that are buffered, from which on a reader is slow. The largest queues of a fast one hold a tenth of a second.
const BEHIND_SECONDS: f64 = 2.0;

/// Bytes: no segment is larger, not even over loopback.
const LARGEST_SEGMENT: u64 = 65_536;

/// Share of the time that is most of it.
const MOSTLY: f64 = 0.5;
