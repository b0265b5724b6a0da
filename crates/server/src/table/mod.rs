//! A table of all open connections, to find, count or close one of them from outside its task.
//!
//! ```text
//! chunks   [ 256 entries ] [ 256 entries ] [ not yet needed ] …
//! entry    descriptor and peer | buffered | received | sent | dropped | last progress | close cause
//! ```
//!
//! An entry is reached by its index, without a hash, a lock or a pointer per connection. Its counters are written by only one
//! connection (so adding to them needs no atomic addition) and may be read by any thread at any time. The totals of the server
//! are a rare walk over the table, which costs the connections nothing. Chunks are allocated as needed and never freed.
//!
//! It serves the graceful shutdown ([`close_reading`](ConnectionTable::close_reading)), the memory limit
//! ([`largest`](ConnectionTable::largest)) and the timeouts (see `reaper`). It knows nothing of tasks: a connection that is
//! closed from outside wakes up because its socket is shut down, and finds the reason in its entry.

mod close_cause;
mod handle;
pub(crate) mod maintenance;
mod peer_progress;
mod reaper;
mod shared;

use std::collections::TryReserveError;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

pub(crate) use self::close_cause::CloseCause;
pub(crate) use self::handle::ConnectionHandle;
pub(crate) use self::shared::{NoRoom, Shared};

use self::peer_progress::Output;
use crate::account::Account;
use crate::event::Totals;
use crate::sys::Descriptor;

/// All open connections.
#[derive(Debug)]
pub(crate) struct ConnectionTable {
    chunks: Box<[OnceLock<Box<[Entry]>>]>,
    free: Mutex<FreeEntries>,
    open: AtomicUsize,
    capacity: usize,
    /// Notified whenever an entry is freed.
    freed: Notify,
}

impl ConnectionTable {
    /// A table for at most `capacity` connections at a time.
    pub(crate) fn new(capacity: usize) -> ConnectionTable {
        ConnectionTable {
            chunks: (0..capacity.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(),
            free: Mutex::default(),
            open: AtomicUsize::new(0),
            capacity,
            freed: Notify::new(),
        }
    }

    /// Adds a connection and returns the index of its entry. Called by one task at a time.
    ///
    /// # Errors
    /// If the table is full, or there is no memory for one more entry.
    pub(crate) fn insert(&self, descriptor: Descriptor, peer: SocketAddr, now: u32) -> io::Result<u32> {
        let index = self.free().take(self.capacity)?;
        self.add_chunk_for(index).inspect_err(|_| self.free().returned.push(index))?;
        let entry = self.entry(index);
        entry.generation.fetch_add(1, Relaxed);
        entry.close_cause.store(0, Relaxed);
        entry.has_pending_output.store(false, Relaxed);
        entry.last_progress.store(now, Relaxed);
        *entry.socket() = Some(OpenSocket { descriptor, peer });
        self.open.fetch_add(1, Relaxed);
        Ok(index)
    }

    /// Removes a connection. Its socket may be closed after this call, not before. Returns the peer's address, the
    /// connection's totals, and the bytes to be passed to [`Account::finish_release`].
    ///
    /// # Panics
    /// If the entry is vacant.
    pub(crate) fn remove(&self, index: u32) -> (SocketAddr, Totals, usize) {
        let entry = self.entry(index);
        let socket = entry.socket().take().expect("a handle removes its entry once");
        let totals = Totals {
            received: entry.received.swap(0, Relaxed),
            sent: entry.sent.swap(0, Relaxed),
            dropped_frames: entry.dropped_frames.swap(0, Relaxed),
        };
        let releasing = entry.releasing.swap(0, Relaxed);
        self.free().returned.push(index);
        (socket.peer, totals, releasing)
    }

    /// Counts a removed connection as gone, after its socket was closed.
    pub(crate) fn released(&self) {
        // Release: a thread that sees the count fall also sees everything that the connection did.
        self.open.fetch_sub(1, std::sync::atomic::Ordering::Release);
        self.freed.notify_one();
    }

    /// Waits until an entry is free. One waiter at a time.
    pub(crate) async fn wait_for_free_entry(&self) {
        while self.open() >= self.capacity {
            self.freed.notified().await;
        }
    }

    /// Waits until no connection is open. One waiter at a time.
    pub(crate) async fn wait_until_empty(&self) {
        while self.open() > 0 {
            self.freed.notified().await;
        }
    }

    /// Shuts down reading on every connection. Linux still delivers what has arrived, and then the end of the stream, so
    /// each connection reads the rest, replies, and closes, as if its peer had half-closed.
    pub(crate) fn close_reading(&self) {
        for entry in self.entries() {
            if let Some(socket) = &*entry.socket() {
                socket.descriptor.shutdown(Shutdown::Read);
            }
        }
    }

    /// Closes every connection.
    pub(crate) fn close_all(&self, cause: CloseCause) {
        self.entries().for_each(|entry| entry.close(cause));
    }

    /// The entry with the most buffered bytes among those that are not being closed; `None` when none buffers any.
    pub(crate) fn largest(&self) -> Option<&Entry> {
        let mut largest: Option<&Entry> = None;
        for entry in self.entries() {
            let buffered = entry.buffered.load(Relaxed);
            if entry.close_cause().is_none()
                && buffered > largest.map_or(0, |entry| entry.buffered.load(Relaxed))
            {
                largest = Some(entry);
            }
        }
        largest
    }

    /// Totals of the open connections.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for entry in self.entries() {
            totals.received += entry.received.load(Relaxed);
            totals.sent += entry.sent.load(Relaxed);
            totals.dropped_frames += entry.dropped_frames.load(Relaxed);
        }
        totals
    }

    /// Kernel memory of this end of all connections, in bytes; `None` where that is not visible.
    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        let mut sum = cfg!(target_os = "linux").then_some(0);
        for entry in self.entries() {
            if let Some(socket) = &*entry.socket() {
                sum = sum.zip(socket.descriptor.kernel_memory()).map(|(sum, memory)| sum + memory);
            }
        }
        sum
    }

    /// All entries that were ever used, and some more.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().map_while(OnceLock::get).flat_map(|chunk| chunk.iter())
    }

    /// Number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.open.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The entry at an `index` that [`insert`](ConnectionTable::insert) returned.
    pub(crate) fn entry(&self, index: u32) -> &Entry {
        let index = index as usize;
        let chunk = self.chunks[index / CHUNK].get().expect("it was allocated before the index was returned");
        &chunk[index % CHUNK]
    }

    /// Allocates the chunk that contains `index`, unless that was done before.
    fn add_chunk_for(&self, index: u32) -> Result<(), TryReserveError> {
        let chunk = &self.chunks[index as usize / CHUNK];
        if chunk.get().is_none() {
            let mut entries = Vec::new();
            entries.try_reserve_exact(CHUNK)?;
            entries.resize_with(CHUNK, Entry::default);
            chunk.get_or_init(|| entries.into_boxed_slice());
        }
        Ok(())
    }

    fn free(&self) -> MutexGuard<'_, FreeEntries> {
        // Nothing that can panic happens under this lock.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's entry.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// `None` while the entry is vacant. The descriptor stays open while this lock is held.
    socket: Mutex<Option<OpenSocket>>,
    /// Bytes counted against the memory limit for this connection. Only the connection writes it.
    pub(crate) buffered: AtomicUsize,
    /// Bytes that it buffered when it was closed for the memory limit; 0 after it is gone.
    releasing: AtomicUsize,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) dropped_frames: AtomicU64,
    /// When it last received bytes or had all its pending output written, in milliseconds on the reaper's clock.
    pub(crate) last_progress: AtomicU32,
    /// Which of the connections that have used this entry it is, starting at 1.
    generation: AtomicU32,
    /// Whether the server waits until the kernel accepts output for the peer.
    pub(crate) has_pending_output: AtomicBool,
    /// A [`CloseCause`], or 0.
    close_cause: AtomicU8,
}

impl Entry {
    /// Closes the connection by shutting its socket down, which wakes its task. The first cause is the one that is reported.
    pub(crate) fn close(&self, cause: CloseCause) {
        let socket = self.socket();
        let Some(socket) = &*socket else { return };
        if self.close_cause.compare_exchange(0, cause as u8, Relaxed, Relaxed).is_ok() {
            socket.descriptor.shutdown(Shutdown::Both);
        }
    }

    /// Closes the connection for the memory limit, and counts what it buffers as about to be released.
    pub(crate) fn close_for_memory(&self, account: &Account) {
        let socket = self.socket();
        let Some(socket) = &*socket else { return };
        if self.close_cause.compare_exchange(0, CloseCause::MemoryLimit as u8, Relaxed, Relaxed).is_ok() {
            let buffered = self.buffered.load(Relaxed);
            self.releasing.store(buffered, Relaxed);
            account.begin_release(buffered);
            socket.descriptor.shutdown(Shutdown::Both);
        }
    }

    /// Why the connection is being closed from outside, if it is.
    pub(crate) fn close_cause(&self) -> Option<CloseCause> {
        match self.close_cause.load(Relaxed) {
            0 => None,
            code => CloseCause::ALL.into_iter().find(|&cause| cause as u8 == code),
        }
    }

    /// Bytes in the kernel's send queue: those that the peer's kernel has not acknowledged. `None` where that is not visible.
    pub(crate) fn kernel_send_queue(&self) -> Option<u32> {
        self.socket().as_ref().and_then(|socket| socket.descriptor.send_queue())
    }

    /// The output of its connection. It costs a system call. Where acknowledgements are not visible, it has the accepted
    /// bytes instead.
    pub(crate) fn output(&self) -> Output {
        let acknowledged = self.socket().as_ref().and_then(|socket| socket.descriptor.acknowledged());
        let sent = self.sent.load(Relaxed);
        let is_blocked = self.has_pending_output.load(Relaxed);
        Output { sent, acknowledged: acknowledged.unwrap_or(sent), is_blocked }
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Relaxed)
    }

    /// Whether a connection uses this entry.
    pub(crate) fn is_open(&self) -> bool {
        self.socket().is_some()
    }

    fn socket(&self) -> MutexGuard<'_, Option<OpenSocket>> {
        // Nothing that can panic happens under this lock.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct OpenSocket {
    descriptor: Descriptor,
    peer: SocketAddr,
}

/// Indices of the free entries: those that were used before, and those from `used` on.
#[derive(Debug, Default)]
struct FreeEntries {
    returned: Vec<u32>,
    used: u32,
}

impl FreeEntries {
    fn take(&mut self, capacity: usize) -> io::Result<u32> {
        if let Some(index) = self.returned.pop() {
            return Ok(index);
        }
        if self.used as usize >= capacity {
            return Err(io::Error::other("the connection table is full"));
        }
        // So that freeing the entry needs no memory.
        self.returned.try_reserve(self.used as usize + 1)?;
        self.used += 1;
        Ok(self.used - 1)
    }
}

/// Entries per chunk: 24 KiB, so that a server with few connections allocates little.
const CHUNK: usize = 256;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn insert(table: &ConnectionTable, socket: &TcpStream) -> Option<u32> {
        table.insert(Descriptor::of(socket), socket.peer_addr().unwrap(), 0).ok()
    }

    #[test]
    fn a_full_table_refuses_and_a_freed_entry_is_reused() {
        let (table, (_client, socket)) = (ConnectionTable::new(2), pair());

        let first = insert(&table, &socket).unwrap();
        insert(&table, &socket).unwrap();
        assert_eq!(insert(&table, &socket), None);

        table.remove(first);
        table.released();
        assert_eq!(insert(&table, &socket), Some(first));
    }

    #[test]
    fn totals_are_those_of_open_connections() {
        let (table, (_client, socket)) = (ConnectionTable::new(1000), pair());
        let indices: Vec<u32> = (0..600).map(|_| insert(&table, &socket).unwrap()).collect();
        for &index in &indices {
            table.entry(index).received.store(2, Relaxed);
        }
        assert_eq!(table.totals().received, 1200);

        let (_, totals, _) = table.remove(indices[0]);

        assert_eq!(totals.received, 2);
        assert_eq!(table.totals().received, 1198);
    }

    #[test]
    fn the_largest_buffers_most_and_is_not_being_closed() {
        let (table, (_client, socket)) = (ConnectionTable::new(10), pair());
        assert!(table.largest().is_none());
        for buffered in [10, 30, 20] {
            let index = insert(&table, &socket).unwrap();
            table.entry(index).buffered.store(buffered, Relaxed);
        }

        let largest = table.largest().unwrap();
        assert_eq!(largest.buffered.load(Relaxed), 30);

        largest.close(CloseCause::MemoryLimit);
        assert_eq!(table.largest().unwrap().buffered.load(Relaxed), 20);
        assert_eq!(largest.close_cause(), Some(CloseCause::MemoryLimit));
    }

    #[test]
    fn closing_shuts_the_socket_and_the_first_cause_remains() {
        let (table, (mut client, socket)) = (ConnectionTable::new(1), pair());
        let entry = table.entry(insert(&table, &socket).unwrap());

        entry.close(CloseCause::WriteTimeout);
        entry.close(CloseCause::Shutdown);

        assert_eq!(entry.close_cause(), Some(CloseCause::WriteTimeout));
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the peer sees the end of the stream");
    }

    #[test]
    fn a_vacant_entry_cannot_be_closed() {
        let (table, (_client, socket)) = (ConnectionTable::new(1), pair());
        let index = insert(&table, &socket).unwrap();
        table.remove(index);

        table.close_all(CloseCause::Shutdown);

        assert_eq!(table.entry(index).close_cause(), None);
    }
}
