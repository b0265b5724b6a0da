//! The table: a table of all open connections, so that one of them can be found, counted or ended from outside its task.
//!
//! ```text
//! chunks   [ 256 entries ] [ 256 entries ] [ not yet needed ] …
//! entry       descriptor and peer | buffered | received | sent | dropped | last_progress | why it is to end
//! ```
//!
//! A entry is reached by its index, without a hash, a lock or a pointer a connection. The numbers in it are written by one
//! connection alone (so adding to them needs no atomic addition) and read by anybody at any time: the totals of the server
//! are a walk over the table once in a while, and cost the connections nothing. Chunks are made as they are needed and kept.
//!
//! It serves the graceful end ([`close_reading`](ConnectionTable::close_reading)), the memory limit
//! ([`largest`](ConnectionTable::largest)), and the timeouts (see `reaper`). It knows nothing of tasks: whoever is ended wakes
//! because its socket is shut down, and finds in its entry why.

use std::collections::TryReserveError;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

use crate::account::Account;
use crate::event::{CloseReason, Totals};
use crate::sys::Descriptor;

/// All open connections.
#[derive(Debug)]
pub(crate) struct ConnectionTable {
    chunks: Box<[OnceLock<Box<[Entry]>>]>,
    free: Mutex<FreeEntries>,
    open: AtomicUsize,
    capacity: usize,
    /// Told whenever a place is given back: to whoever waits for one, or for all of them.
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

    /// Lists a connection. Returns the index of its entry. Called by one task at a time.
    ///
    /// # Errors
    /// When there is no place left, or no memory for one more entry.
    pub(crate) fn insert(&self, descriptor: Descriptor, peer: SocketAddr, now: u32) -> io::Result<u32> {
        let index = self.free().take(self.capacity)?;
        self.add_chunk_for(index).inspect_err(|_| self.free().returned.push(index))?;
        let entry = self.entry(index);
        entry.close_cause.store(0, Relaxed);
        entry.has_pending_output.store(false, Relaxed);
        entry.last_progress.store(now, Relaxed);
        *entry.socket() = Some(OpenSocket { descriptor, peer });
        self.open.fetch_add(1, Relaxed);
        Ok(index)
    }

    /// Takes a connection off the list; its socket may be closed from now on, and not earlier. Returns who it was, what
    /// went through it, and what was releasing when it was ended for the memory limit.
    ///
    /// # Panics
    /// When nobody is socket there.
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

    /// Says that the connection that left is gone altogether.
    pub(crate) fn released(&self) {
        // Release: whoever sees the last one gone sees all that it did.
        self.open.fetch_sub(1, std::sync::atomic::Ordering::Release);
        self.freed.notify_one();
    }

    /// Waits until there is a place. One waiter at a time.
    pub(crate) async fn wait_for_free_entry(&self) {
        while self.open() >= self.capacity {
            self.freed.notified().await;
        }
    }

    /// Waits until nobody is socket. One waiter at a time.
    pub(crate) async fn wait_until_empty(&self) {
        while self.open() > 0 {
            self.freed.notified().await;
        }
    }

    /// Ends reading on every connection. Linux still delivers what has arrived, and then the end of the stream: so each
    /// connection reads once more until there is nothing left, answers, and closes, as if its peer had asked it to.
    pub(crate) fn close_reading(&self) {
        self.for_each(|entry| {
            if let Some(socket) = &*entry.socket() {
                socket.descriptor.shutdown(Shutdown::Read);
            }
        });
    }

    /// Ends every connection.
    pub(crate) fn close_all(&self, cause: CloseCause) {
        self.for_each(|entry| entry.close(cause));
    }

    /// The entry that holds most bytes among those that are not about to end; `None` when none holds any.
    pub(crate) fn largest(&self) -> Option<&Entry> {
        let mut largest: Option<&Entry> = None;
        self.for_each(|entry| {
            let buffered = entry.buffered.load(Relaxed);
            if entry.close_cause().is_none()
                && buffered > largest.map_or(0, |entry| entry.buffered.load(Relaxed))
            {
                largest = Some(entry);
            }
        });
        largest
    }

    /// What went through the connections that are open.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.for_each(|entry| {
            totals.received += entry.received.load(Relaxed);
            totals.sent += entry.sent.load(Relaxed);
            totals.dropped_frames += entry.dropped_frames.load(Relaxed);
        });
        totals
    }

    /// Bytes of memory that the sockets of all connections take in the kernel; `None` where that is not visible.
    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        let mut sum = cfg!(target_os = "linux").then_some(0);
        self.for_each(|entry| {
            if let Some(socket) = &*entry.socket() {
                sum = sum.zip(socket.descriptor.kernel_memory()).map(|(sum, memory)| sum + memory);
            }
        });
        sum
    }

    /// Calls `body` with each entry that was ever used.
    pub(crate) fn for_each<'a>(&'a self, body: impl FnMut(&'a Entry)) {
        self.chunks.iter().map_while(OnceLock::get).flat_map(|chunk| chunk.iter()).for_each(body);
    }

    /// How many connections are socket.
    pub(crate) fn open(&self) -> usize {
        self.open.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The entry at `index`, which was given out by [`insert`](ConnectionTable::insert).
    pub(crate) fn entry(&self, index: u32) -> &Entry {
        let index = index as usize;
        let chunk = self.chunks[index / CHUNK].get().expect("it was made when the index was given out");
        &chunk[index % CHUNK]
    }

    /// Makes the chunk in which `index` lies, if it is not there yet.
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
    /// `None` while nobody sits here. While this lock is buffered the descriptor stays open.
    socket: Mutex<Option<OpenSocket>>,
    /// Bytes counted against the memory limit for this connection, which alone writes it.
    pub(crate) buffered: AtomicUsize,
    /// What it buffered when it was ended for the memory limit, until it has gone.
    releasing: AtomicUsize,
    pub(crate) received: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) dropped_frames: AtomicU64,
    /// When it last made progress, in milliseconds on the reaper's clock.
    pub(crate) last_progress: AtomicU32,
    /// Bytes in the kernel's send queue when the reaper last looked.
    pub(crate) send_queue: AtomicU32,
    /// Whether bytes wait for the peer to take them.
    pub(crate) has_pending_output: AtomicBool,
    /// An [`CloseCause`], or 0.
    close_cause: AtomicU8,
}

impl Entry {
    /// Ends the connection that sits here, for this reason; the first reason stays. Its task wakes and finds its socket shut.
    pub(crate) fn close(&self, cause: CloseCause) {
        let socket = self.socket();
        let Some(socket) = &*socket else { return };
        if self.close_cause.compare_exchange(0, cause as u8, Relaxed, Relaxed).is_ok() {
            socket.descriptor.shutdown(Shutdown::Both);
        }
    }

    /// Ends the connection that sits here for the memory limit, and promises what it holds to whoever waits for room.
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

    /// Why the connection is to end, if somebody wants it to.
    pub(crate) fn close_cause(&self) -> Option<CloseCause> {
        match self.close_cause.load(Relaxed) {
            0 => None,
            code => CLOSE_CAUSES.into_iter().find(|&cause| cause as u8 == code),
        }
    }

    /// Bytes that the peer's kernel has not taken, where that is visible.
    pub(crate) fn kernel_send_queue(&self) -> Option<u32> {
        self.socket().as_ref().and_then(|socket| socket.descriptor.send_queue())
    }

    /// Whether somebody sits here.
    pub(crate) fn is_open(&self) -> bool {
        self.socket().is_some()
    }

    fn socket(&self) -> MutexGuard<'_, Option<OpenSocket>> {
        // Nothing that can panic happens under this lock.
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CloseCause {
    MemoryLimit = 1,
    IdleTimeout,
    WriteTimeout,
    Shutdown,
}

impl From<CloseCause> for CloseReason {
    fn from(cause: CloseCause) -> CloseReason {
        match cause {
            CloseCause::MemoryLimit => CloseReason::MemoryLimit,
            CloseCause::IdleTimeout => CloseReason::IdleTimeout,
            CloseCause::WriteTimeout => CloseReason::WriteTimeout,
            CloseCause::Shutdown => CloseReason::Shutdown,
        }
    }
}

#[derive(Debug)]
struct OpenSocket {
    descriptor: Descriptor,
    peer: SocketAddr,
}

/// Which entries are free: those given back, and those never used.
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
            return Err(io::Error::other("no place is left for one more connection"));
        }
        // So that giving the place back needs no memory.
        self.returned.try_reserve(self.used as usize + 1)?;
        self.used += 1;
        Ok(self.used - 1)
    }
}

const CLOSE_CAUSES: [CloseCause; 4] =
    [CloseCause::MemoryLimit, CloseCause::IdleTimeout, CloseCause::WriteTimeout, CloseCause::Shutdown];

/// Slots in a chunk: 26 KiB, so that a server with few connections pays for few.
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
    fn no_more_are_listed_than_there_are_places_and_a_place_is_used_again() {
        let (table, (_client, socket)) = (ConnectionTable::new(2), pair());

        let first = insert(&table, &socket).unwrap();
        insert(&table, &socket).unwrap();
        assert_eq!(insert(&table, &socket), None);

        table.remove(first);
        table.released();
        assert_eq!(insert(&table, &socket), Some(first));
    }

    #[test]
    fn totals_are_those_of_whoever_is_listed() {
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
    fn the_largest_is_the_one_that_holds_most_and_is_not_about_to_end() {
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
    fn whoever_is_ended_finds_its_socket_shut_and_the_first_reason_stays() {
        let (table, (mut client, socket)) = (ConnectionTable::new(1), pair());
        let entry = table.entry(insert(&table, &socket).unwrap());

        entry.close(CloseCause::WriteTimeout);
        entry.close(CloseCause::Shutdown);

        assert_eq!(entry.close_cause(), Some(CloseCause::WriteTimeout));
        assert_eq!(client.read(&mut [0; 1]).unwrap(), 0, "the peer sees the end");
    }

    #[test]
    fn a_vacant_slot_cannot_be_ended() {
        let (table, (_client, socket)) = (ConnectionTable::new(1), pair());
        let index = insert(&table, &socket).unwrap();
        table.remove(index);

        table.close_all(CloseCause::Shutdown);

        assert_eq!(table.entry(index).close_cause(), None);
    }
}
