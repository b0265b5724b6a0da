//! One connection's entry in the table: its socket, its counters, and why it is being closed from outside, if it is.
//!
//! # Writers and orderings
//! Counters are written by only one connection (and `last_progress` at the end of a pause), so adding to one is a load and a store, where an atomic addition would lock the
//! cache line. Any thread may read them at any time. They order nothing else, so they are relaxed.
//!
//! An entry is used by one connection after another. A thread outside of them acts on a connection in two steps: it looks at the
//! entry ([`OpenConnection`]), and then it closes what it has seen. Two rules keep it from closing the wrong one:
//!
//! - The `number` is stored last when a connection begins (`Release`) and loaded first in a look (`Acquire`). So a look shows
//!   the first values of this connection, or newer ones, but never those of its predecessor.
//! - It changes only under the lock of the socket. To close a connection is to compare it under this lock, so a connection that has
//!   ended in the meantime is left alone, and so is its successor.
//!
//! A connection reads its own close cause without the lock, to stop early. It cannot miss it: the cause is stored before the socket
//! is shut down, which wakes the connection, and it is read for good under the lock, when the entry is vacated.
//!
//! A connection that waits for more than its socket (a change of the settings) leaves its waker under the lock, and looks once more
//! at what it waits for afterwards. A thread that changes this does so before it takes the lock to wake the connection. So the connection
//! sees the change, or its waker was there before. Most connections never leave one.

use std::net::{Shutdown, SocketAddr};
use std::sync::PoisonError;
use std::task::Waker;

use super::chunk::EntryRef;
use super::close_cause::CloseCause;
use super::peer_progress::Output;
use crate::account::Account;
use crate::control::ConnectionState;
use crate::event::Totals;
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
use crate::sync::{Mutex, MutexGuard};
use crate::sys::Descriptor;

/// One connection's entry.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// `None` while the entry is vacant. The descriptor stays open while this lock is held.
    socket: Mutex<Option<OpenSocket>>,
    /// Which of the server's connections uses the entry, counted from 1; 0 while it is vacant.
    number: AtomicU64,
    /// A [`CloseCause`], or 0.
    close_cause: AtomicU8,
    /// Whether the server waits until the kernel accepts output for the peer.
    has_pending_output: AtomicBool,
    /// When it last received bytes or had all its pending output written, in milliseconds on the server's clock.
    last_progress: AtomicU32,
    /// Bytes counted against the memory limit for this connection.
    buffered: AtomicUsize,
    received: AtomicU64,
    sent: AtomicU64,
    dropped_frames: AtomicU64,
}

#[derive(Debug)]
struct OpenSocket {
    descriptor: Descriptor,
    peer: SocketAddr,
    /// Bytes that were buffered when the connection was closed for the memory limit.
    releasing: usize,
    /// Wakes the connection's task. It stays once it was left; to be woken for nothing does no harm.
    waker: Option<Waker>,
    /// The name that its first frame gave it. Boxed twice, since few connections have one and every entry has the place for it.
    name: Option<Box<Box<str>>>,
}

/// What a connection leaves when its entry is vacated.
#[derive(Debug)]
pub(crate) struct Vacated {
    pub(crate) peer: SocketAddr,
    pub(crate) totals: Totals,
    /// Why it was closed from outside, if it was.
    pub(crate) cause: Option<CloseCause>,
    /// Bytes to be passed to [`Account::finish_release`].
    pub(crate) releasing: usize,
}

/// The connection's own side.
impl Entry {
    /// Begins the connection with this `number`, at `now` on the server's clock.
    pub(super) fn occupy(&self, number: u64, descriptor: Descriptor, peer: SocketAddr, now: u32) {
        let mut socket = self.socket();
        *socket = Some(OpenSocket { descriptor, peer, releasing: 0, waker: None, name: None });
        self.close_cause.store(0, Relaxed);
        self.has_pending_output.store(false, Relaxed);
        self.last_progress.store(now, Relaxed);
        self.number.store(number, Release);
    }

    /// Ends the connection.
    ///
    /// # Panics
    /// If the entry is vacant.
    pub(super) fn vacate(&self) -> Vacated {
        let mut socket = self.socket();
        let OpenSocket { peer, releasing, .. } = socket.take().expect("a handle vacates its entry once");
        self.number.store(0, Relaxed);
        let totals = self.totals();
        self.received.store(0, Relaxed);
        self.sent.store(0, Relaxed);
        self.dropped_frames.store(0, Relaxed);
        Vacated { peer, totals, cause: self.close_cause(), releasing }
    }

    /// Counts bytes read from the peer, at `now`.
    pub(crate) fn record_received(&self, bytes: usize, now: u32) {
        add(&self.received, bytes as u64);
        self.last_progress.store(now, Relaxed);
    }

    /// Counts bytes that the kernel accepted for the peer.
    pub(crate) fn record_sent(&self, bytes: usize) {
        add(&self.sent, bytes as u64);
    }

    /// Counts a frame dropped by the policy.
    pub(crate) fn record_dropped_frame(&self) {
        add(&self.dropped_frames, 1);
    }

    /// Records whether the server waits until the kernel accepts output. It writes only if that has changed.
    pub(crate) fn set_pending_output(&self, pending: bool, now: u32) {
        if self.has_pending_output() != pending {
            self.has_pending_output.store(pending, Relaxed);
            self.last_progress.store(now, Relaxed);
        }
    }

    /// Names the connection.
    pub(crate) fn set_name(&self, name: Box<str>) {
        if let Some(socket) = &mut *self.socket() {
            socket.name = Some(Box::new(name));
        }
    }

    /// Stores what wakes the connection's task from outside, until the connection ends.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        if let Some(socket) = &mut *self.socket()
            && !socket.waker.as_ref().is_some_and(|stored| stored.will_wake(waker))
        {
            socket.waker = Some(waker.clone());
        }
    }

    /// The connection's socket has another descriptor from now on. The one before may be closed after this call, not before.
    pub(crate) fn replace_descriptor(&self, descriptor: Descriptor) {
        if let Some(socket) = &mut *self.socket() {
            socket.descriptor = descriptor;
        }
    }

    /// Records how many bytes the connection buffers.
    pub(crate) fn set_buffered(&self, bytes: usize) {
        self.buffered.store(bytes, Relaxed);
    }
}

/// What any thread may read.
impl Entry {
    /// Bytes counted against the memory limit for this connection.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered.load(Relaxed)
    }

    /// Bytes that the kernel accepted for the peer.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// What has passed through the connection; all 0 while the entry is vacant.
    pub(crate) fn totals(&self) -> Totals {
        Totals {
            received: self.received.load(Relaxed),
            sent: self.sent(),
            dropped_frames: self.dropped_frames.load(Relaxed),
        }
    }

    pub(crate) fn has_pending_output(&self) -> bool {
        self.has_pending_output.load(Relaxed)
    }

    /// When the connection last made progress, in milliseconds on the server's clock.
    pub(crate) fn last_progress(&self) -> u32 {
        self.last_progress.load(Relaxed)
    }

    /// Why the connection is being closed from outside, if it is.
    pub(crate) fn close_cause(&self) -> Option<CloseCause> {
        CloseCause::from_code(self.close_cause.load(Relaxed))
    }

    /// Bytes in the kernel's send queue: those that the peer's kernel has not acknowledged. `None` where that is not visible.
    pub(crate) fn kernel_send_queue(&self) -> Option<u32> {
        self.socket().as_ref().and_then(|socket| socket.descriptor.send_queue())
    }

    /// Kernel memory of the connection's end, in bytes; `None` where that is not visible, and 0 while the entry is vacant.
    pub(super) fn kernel_memory(&self) -> Option<u64> {
        self.socket().as_ref().map_or(Some(0), |socket| socket.descriptor.kernel_memory())
    }

    /// The output of the connection. It costs a system call. Where acknowledgements are not visible, it has the accepted bytes
    /// instead.
    pub(crate) fn output(&self) -> Output {
        let acknowledged = self.socket().as_ref().and_then(|socket| socket.descriptor.acknowledged());
        let sent = self.sent();
        Output { sent, acknowledged: acknowledged.unwrap_or(sent), is_blocked: self.has_pending_output() }
    }

    /// The connection that uses the entry now, as it is shown.
    pub(super) fn state(&self) -> Option<ConnectionState> {
        self.socket().as_ref().map(|socket| ConnectionState {
            peer: socket.peer,
            name: socket.name.as_deref().cloned(),
            totals: self.totals(),
            buffered: self.buffered(),
            has_pending_output: self.has_pending_output(),
        })
    }

    /// Whether the connection that uses the entry now has this peer.
    pub(super) fn has_peer(&self, peer: SocketAddr) -> bool {
        self.socket().as_ref().is_some_and(|socket| socket.peer == peer)
    }

    /// Wakes the connection's task, if it left a waker.
    pub(super) fn wake(&self) {
        if let Some(OpenSocket { waker: Some(waker), .. }) = &*self.socket() {
            waker.wake_by_ref();
        }
    }

    /// Has the idle time begin at `now` on the server's clock.
    pub(super) fn restart_idle_time(&self, now: u32) {
        self.last_progress.store(now, Relaxed);
    }

    /// Shuts down reading, if the entry is not vacant.
    pub(super) fn close_reading(&self) {
        if let Some(socket) = &*self.socket() {
            socket.descriptor.shutdown(Shutdown::Read);
        }
    }

    fn socket(&self) -> MutexGuard<'_, Option<OpenSocket>> {
        // Nothing that can panic happens under this lock, except where a handle vacates an entry twice.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EntryRef {
    /// The connection that uses the entry now.
    pub(crate) fn look(self) -> Option<OpenConnection> {
        let number = self.number.load(Acquire);
        (number > 0).then_some(OpenConnection { entry: self, number })
    }
}

/// A connection as seen from outside its task, by which it is closed. It may have ended since.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    /// What it shows may belong to a later connection, which [`close`](OpenConnection::close) leaves alone.
    pub(crate) entry: EntryRef,
    /// Which of the server's connections it is.
    pub(crate) number: u64,
}

impl OpenConnection {
    /// Closes the connection by shutting its socket down, which wakes its task. The first cause is the one that is reported.
    /// Returns whether it is this one.
    pub(crate) fn close(&self, cause: CloseCause) -> bool {
        self.close_with(cause, |_| ())
    }

    /// Closes the connection for the memory limit, and counts what it buffers as about to be released.
    pub(crate) fn close_for_memory(&self, account: &Account) {
        let _ = self.close_with(CloseCause::MemoryLimit, |socket| {
            socket.releasing = self.entry.buffered();
            account.begin_release(socket.releasing);
        });
    }

    fn close_with(&self, cause: CloseCause, before: impl FnOnce(&mut OpenSocket)) -> bool {
        let mut socket = self.entry.socket();
        let Some(socket) = &mut *socket else { return false };
        let is_the_same = self.entry.number.load(Relaxed) == self.number;
        let closes = is_the_same && self.entry.close_cause().is_none();
        if closes {
            self.entry.close_cause.store(cause as u8, Relaxed);
            before(socket);
            socket.descriptor.shutdown(Shutdown::Both);
            // While reading is paused it does not wait for its socket.
            socket.waker.iter().for_each(Waker::wake_by_ref);
        }
        closes
    }
}

/// Adds to a counter that only this connection writes.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed) + count, Relaxed);
}
