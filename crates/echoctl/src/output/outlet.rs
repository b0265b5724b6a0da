//! A bounded queue of lines in front of stdout or stderr, and the thread that writes them to a reader that may be slow.
//!
//! ```text
//! offer ── room? ── queue ── the outlet's thread ── stdout or stderr
//!            └ no: counted as missed
//! write ── waits until its line is written; only an interruption ends the wait
//! ```
//!
//! So a slow reader does not delay what is measured, and memory is bounded. The number of missed lines is reported in the
//! next line that is written, and in the last one.

use std::collections::VecDeque;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use echoctl_observe::start_thread;

use crate::terminal::interrupt;

/// A stream with a bounded queue in front.
pub(crate) struct Outlet {
    /// Writes to the stream.
    stream: fn(&[u8]) -> io::Result<()>,
    /// Maximum number of bytes in the queue.
    limit: usize,
    state: Mutex<State>,
    /// Something was queued, or written.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Vec<u8>>,
    /// Bytes in the queue.
    queued: usize,
    has_thread: bool,
    /// The thread is writing a line.
    is_writing: bool,
    /// Number of lines that did not fit, and of those reported to the reader.
    missed: u64,
    reported: u64,
    /// Why the stream cannot be written any more.
    broken: Option<io::ErrorKind>,
    /// An interruption has ended the wait for the reader; nothing more is written.
    has_given_up: bool,
}

impl Outlet {
    /// An outlet that writes with `stream` and queues at most `limit` bytes. A longer line is queued only if the outlet is
    /// idle.
    pub(crate) fn new(stream: fn(&[u8]) -> io::Result<()>, limit: usize) -> Outlet {
        Outlet { stream, limit, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Queues a line if there is room for it, without waiting. `line` gets the number of lines missed since the last one
    /// that was queued.
    ///
    /// # Errors
    /// If the stream cannot be written any more: the reader has gone.
    pub(crate) fn offer(
        &'static self,
        line: impl FnOnce(u64) -> serde_json::Result<Vec<u8>>,
    ) -> io::Result<()> {
        let mut state = self.state();
        state.check()?;
        let line = line(state.missed - state.reported)?;
        if state.has_given_up || (state.is_busy() && state.queued + line.len() > self.limit) {
            state.missed += 1;
            return Ok(());
        }
        state.reported = state.missed;
        self.queue(&mut state, line)
    }

    /// Queues a picture if the outlet is idle: a late picture is useless. Returns whether it was queued.
    ///
    /// # Errors
    /// As [`offer`](Outlet::offer).
    pub(crate) fn offer_picture(&'static self, picture: impl FnOnce() -> Vec<u8>) -> io::Result<bool> {
        let mut state = self.state();
        state.check()?;
        if state.has_given_up || state.is_busy() {
            return Ok(false);
        }
        self.queue(&mut state, picture())?;
        Ok(true)
    }

    /// Writes a line after all others and waits until it is written. An interruption ends the wait [`READER_GRACE`] later;
    /// then nothing more is written, and [`has_given_up`](Outlet::has_given_up) is true. `line` gets the total number of
    /// missed lines.
    ///
    /// # Errors
    /// As [`offer`](Outlet::offer).
    pub(crate) fn write(
        &'static self,
        line: impl FnOnce(u64) -> serde_json::Result<Vec<u8>>,
    ) -> io::Result<()> {
        let began = Instant::now();
        let mut state = self.wait_until_idle(self.state(), began)?;
        if state.has_given_up {
            return Ok(());
        }
        state.reported = state.missed;
        let line = line(state.missed)?;
        self.queue(&mut state, line)?;
        self.wait_until_idle(state, began).map(drop)
    }

    /// Waits until the queue is written, as [`write`](Outlet::write) does.
    pub(crate) fn finish(&'static self) {
        // If the reader has gone, there is nothing to wait for.
        drop(self.wait_until_idle(self.state(), Instant::now()));
    }

    /// Whether an interruption ended the wait for a stopped reader.
    pub(crate) fn has_given_up(&self) -> bool {
        self.state().has_given_up
    }

    /// Number of lines that the reader has missed.
    pub(crate) fn missed(&self) -> u64 {
        self.state().missed
    }

    fn queue(&'static self, state: &mut State, line: Vec<u8>) -> io::Result<()> {
        if !state.has_thread {
            if start_thread("output", || self.write_all()).is_err() {
                // Without a thread this one writes: the line may be the error about threads.
                let written = (self.stream)(&line);
                state.broken = written.as_ref().err().map(io::Error::kind);
                return written;
            }
            state.has_thread = true;
        }
        state.queued += line.len();
        state.queue.push_back(line);
        self.changed.notify_all();
        Ok(())
    }

    fn wait_until_idle<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        began: Instant,
    ) -> io::Result<MutexGuard<'a, State>> {
        loop {
            state.check()?;
            if state.has_given_up || !state.is_busy() {
                return Ok(state);
            }
            let since = interrupt::since().map(|interrupted| interrupted.max(began));
            if since.is_some_and(|since| since.elapsed() >= READER_GRACE) {
                state.has_given_up = true;
                return Ok(state);
            }
            state =
                self.changed.wait_timeout(state, CHECK_INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The thread: writes queued lines until the process exits.
    fn write_all(&self) {
        let mut state = self.state();
        loop {
            let Some(line) = state.queue.pop_front() else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.queued -= line.len();
            state.is_writing = true;
            drop(state);
            let written = (self.stream)(&line);
            state = self.state();
            state.is_writing = false;
            if let Err(error) = written {
                state.broken = Some(error.kind());
                state.queue = VecDeque::new();
                state.queued = 0;
            }
            self.changed.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_busy(&self) -> bool {
        self.is_writing || !self.queue.is_empty()
    }

    fn check(&self) -> io::Result<()> {
        let error = |kind| io::Error::new(kind, format!("cannot write the output: {kind}"));
        self.broken.map_or(Ok(()), |kind| Err(error(kind)))
    }
}

/// How long after an interruption the last lines wait for a reader: enough for one that is only slow. Half of
/// [`interrupt::GRACE`], so that time is left for other work at shutdown, such as writing a recording.
const READER_GRACE: Duration = Duration::from_secs(1);

/// Interval at which a wait checks for an interruption. It does not delay writing.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::sync::{LazyLock, Mutex, MutexGuard};
    use std::thread;

    use super::*;

    /// A reader that reads nothing while the gate is locked, and what it has read.
    struct Reader {
        gate: Mutex<()>,
        read: Mutex<Vec<String>>,
    }

    impl Reader {
        const fn new() -> Reader {
            Reader { gate: Mutex::new(()), read: Mutex::new(Vec::new()) }
        }

        fn take(&self, bytes: &[u8]) -> io::Result<()> {
            let _open = self.gate.lock();
            self.read.lock().unwrap().push(String::from_utf8_lossy(bytes).into_owned());
            Ok(())
        }

        fn stop(&self) -> MutexGuard<'_, ()> {
            self.gate.lock().unwrap()
        }
    }

    fn line(text: &str) -> impl FnOnce(u64) -> serde_json::Result<Vec<u8>> {
        move |missed| Ok(format!("{text} {missed}").into_bytes())
    }

    #[test]
    fn lines_that_do_not_fit_are_counted() {
        static READER: Reader = Reader::new();
        static OUTLET: LazyLock<Outlet> = LazyLock::new(|| Outlet::new(|bytes| READER.take(bytes), 8));
        let stopped = READER.stop();

        OUTLET.offer(line("a")).unwrap();
        while !OUTLET.state().is_writing {
            thread::yield_now();
        }
        for text in ["b", "c", "d", "e", "f"] {
            OUTLET.offer(line(text)).unwrap();
        }
        assert_eq!(OUTLET.state().queued, 6, "two lines of three bytes fit in eight");
        drop(stopped);
        OUTLET.finish();
        OUTLET.offer(line("g")).unwrap();
        OUTLET.write(line("end")).unwrap();

        assert_eq!(*READER.read.lock().unwrap(), ["a 0", "b 0", "c 0", "g 3", "end 3"]);
    }

    #[test]
    fn a_picture_is_queued_only_on_an_idle_outlet() {
        static READER: Reader = Reader::new();
        static OUTLET: LazyLock<Outlet> = LazyLock::new(|| Outlet::new(|bytes| READER.take(bytes), 1024));
        let stopped = READER.stop();

        let first = OUTLET.offer_picture(|| b"1".to_vec()).unwrap();
        let second = OUTLET.offer_picture(|| b"2".to_vec()).unwrap();
        drop(stopped);
        OUTLET.finish();
        let third = OUTLET.offer_picture(|| b"3".to_vec()).unwrap();
        OUTLET.finish();

        assert_eq!((first, second, third), (true, false, true));
        assert_eq!(*READER.read.lock().unwrap(), ["1", "3"]);
    }

    #[test]
    fn a_line_over_the_limit_is_queued_when_idle() {
        static READER: Reader = Reader::new();
        static OUTLET: LazyLock<Outlet> = LazyLock::new(|| Outlet::new(|bytes| READER.take(bytes), 2));

        OUTLET.offer(line("long")).unwrap();
        OUTLET.write(line("longer")).unwrap();

        assert_eq!(*READER.read.lock().unwrap(), ["long 0", "longer 0"]);
    }

    #[test]
    fn a_reader_that_has_gone_is_an_error() {
        static OUTLET: LazyLock<Outlet> =
            LazyLock::new(|| Outlet::new(|_| Err(io::ErrorKind::BrokenPipe.into()), 1024));

        let first = OUTLET.write(line("a")).unwrap_err();
        let second = OUTLET.offer(line("b")).unwrap_err();

        assert_eq!((first.kind(), second.kind()), (io::ErrorKind::BrokenPipe, io::ErrorKind::BrokenPipe));
        assert!(OUTLET.state().queue.is_empty());
    }
}
