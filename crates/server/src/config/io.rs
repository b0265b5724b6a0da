//! I/O models: how the server waits for its sockets.

use std::fmt;

/// I/O model: how the server waits for its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Io {
    /// One async task per connection, on one thread per core (epoll), where its packets arrive. A waiting connection costs about a
    /// kilobyte.
    #[default]
    Tasks,
    /// One thread per connection, with blocking calls. Backpressure comes for free, since a thread that is blocked in a write
    /// cannot read.
    Threads,
    /// One thread that polls all sockets but writes *blockingly*: head-of-line blocking. One peer that does not read stalls
    /// all others. Deliberately wrong, for demonstration.
    OneThread,
    /// One thread per core, for which the kernel carries out receives and sends (Linux's io_uring) and chooses a buffer only when bytes
    /// have arrived. One system call serves all sockets that are ready. A peer that does not read occupies no shared buffer.
    Uring,
}

impl Io {
    /// All of them.
    pub const ALL: [Io; 4] = [Io::Tasks, Io::Threads, Io::OneThread, Io::Uring];

    /// Its name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Io::Tasks => "tasks",
            Io::Threads => "threads",
            Io::OneThread => "one-thread",
            Io::Uring => "uring",
        }
    }
}

impl fmt::Display for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
